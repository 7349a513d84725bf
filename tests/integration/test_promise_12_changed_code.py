"""Promise 12: a task is taken up with other code than it had; where it has answers, the workflow says what follows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from cloacina import AsyncRunner, Context, Workflow
from cloacina.store.records import EventType

if TYPE_CHECKING:
    from tests.integration.conftest import Call, Crashed, Scripted, UntilWait

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])

Script = Generator["Call", Any, None]
OnChange = Literal["match", "fail", "restart"]


def made_by(effects: list[str]) -> tuple[Callable[[Context], Script], Callable[[Context], Script]]:
    """Return a task's code before and after a deploy, which both note what they do."""

    def charge() -> str:
        effects.append("charge")
        return f"charge {effects.count('charge')}"

    def before(context: Context) -> Script:
        context["charged"] = yield "checkpoint", "charge", charge
        context["mailed"] = yield "checkpoint", "mail", lambda: True, {"key": "ada"}
        context["paid"] = yield "wait_for", "paid"
        yield "wait_for", "abandoned"

    def after(context: Context) -> Script:
        context["charged"] = yield "checkpoint", "charge", charge
        context["paid"] = yield "wait_for", "paid"
        context["went on"] = True

    after.__name__ = "before"
    return before, after


async def left(path: Path, crashed: Crashed, until_wait: UntilWait, workflow: Workflow, name: str) -> tuple[Path, str]:
    """Return what is left of an execution whose process dies when it waits for a signal of a name."""
    async with AsyncRunner(path) as runner:
        execution = await runner.submit(workflow)
        await until_wait(runner, execution)
        if name == "abandoned":
            await runner.signal(execution.id, "paid", 7)
            while [wait.name for wait in await runner.waits(execution.id, phase="waiting")] != [name]:
                await runner.events(execution.id)
        found = crashed(path)
        await execution.cancel()
    return found, execution.id


@_BOTH_KINDS
@pytest.mark.parametrize("on_change", ["match", "fail", "restart"])
async def test_workflow_says_what_becomes_of_answers_that_other_code_was_given(
    scripted: Scripted,
    until_wait: UntilWait,
    crashed: Crashed,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    on_change: OnChange,
) -> None:
    effects: list[str] = []
    before, after = made_by(effects)
    workflow = Workflow("w", tasks=[scripted(kind, before)])
    path, execution_id = await left(tmp_path / "w.db", crashed, until_wait, workflow, "abandoned")

    async with AsyncRunner(path) as runner:
        runner.register(Workflow("w", tasks=[scripted(kind, after)], on_change=on_change))
        result = await runner.wait(execution_id)
        events = {event.type: event for event in await runner.events(execution_id)}
        waits = [(wait.name, wait.phase, wait.outcome) for wait in await runner.waits(execution_id)]
        detail = events[EventType.TASK_CODE_CHANGED].detail
        assert detail is not None
        assert (detail["on_change"], detail["answers"]) == (on_change, 3)
        assert detail["before"] != detail["now"]
        if on_change == "fail":
            assert result.error is not None
            assert (result.error.code, result.error.task_id) == ("CLO-1321", "before")
            assert "on_change='fail'" in result.error.message
            runner.register(Workflow("w", tasks=[scripted(kind, after)]))
            await runner.retry(execution_id)
            result = await runner.wait(execution_id)
            assert [event.type for event in await runner.events(execution_id)].count(EventType.TASK_CODE_CHANGED) == 2

    assert result.context == {
        "charged": "charge 2" if on_change == "restart" else "charge 1",
        "paid": 7,
        "went on": True,
    }
    assert result.tasks["before"].attempt == 1
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    if on_change == "restart":
        assert waits == [("paid", "ended", "dropped"), ("abandoned", "ended", "dropped"), ("paid", "ended", "met")]
        assert any("it begins anew" in text for text in said)
    else:
        assert waits == [("paid", "ended", "met"), ("abandoned", "ended", "dropped")]
        assert any("matched by name" in text for text in said)
        assert any("without asking for 1 answers" in text and "checkpoint 'mail' (=ada)" in text for text in said)


@pytest.mark.parametrize("on_change", ["fail", "restart"])
@pytest.mark.parametrize("change", ["the same code", "no answers"])
async def test_task_goes_on_whose_code_is_the_same_or_which_has_no_answers(
    scripted: Scripted, until_wait: UntilWait, crashed: Crashed, tmp_path: Path, on_change: OnChange, change: str
) -> None:
    def asks(context: Context) -> Script:
        if change == "the same code":
            yield "checkpoint", "charge", lambda: 1
        context["paid"] = yield "wait_for", "paid"

    def asks_otherwise(context: Context) -> Script:
        context["paid"] = [(yield "wait_for", "paid")]

    asks_otherwise.__name__ = "asks"
    path, execution_id = await left(
        tmp_path / "w.db", crashed, until_wait, Workflow("w", tasks=[scripted("async def", asks)]), "paid"
    )
    now = asks if change == "the same code" else asks_otherwise
    async with AsyncRunner(path) as runner:
        runner.register(Workflow("w", tasks=[scripted("async def", now)], on_change=on_change))
        await runner.signal(execution_id, "paid", 7)
        result = (await runner.wait(execution_id)).raise_for_status()
        types = {event.type for event in await runner.events(execution_id)}
        waits = [(wait.name, wait.outcome) for wait in await runner.waits(execution_id)]

    assert result.context["paid"] == (7 if change == "the same code" else [7])
    assert "task_code_changed" not in types
    assert "task_answers_unused" not in types
    assert waits == [("paid", "met")]


@_BOTH_KINDS
async def test_wait_that_a_dead_process_left_is_ended_though_the_new_one_need_not_give_its_slot_back(
    scripted: Scripted, until_wait: UntilWait, crashed: Crashed, tmp_path: Path, kind: str
) -> None:
    is_there: list[bool] = []

    def waits(context: Context) -> Script:
        context["there"] = yield "defer_until", lambda: bool(is_there), {"poll_interval_ms": 3_600_000}

    workflow = Workflow("w", tasks=[scripted(kind, waits)])
    path, execution_id = await left(tmp_path / "w.db", crashed, until_wait, workflow, "")
    is_there.append(True)
    async with AsyncRunner(path) as runner:
        runner.register(workflow)
        (await runner.wait(execution_id)).raise_for_status()
        (wait,) = await runner.waits(execution_id)

    assert (wait.phase, wait.outcome) == ("ended", "met")


def stored_waits(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM waits ORDER BY id").fetchall()


async def test_history_of_waits_that_are_answered_again_stays_as_it_was(
    scripted: Scripted, until_wait: UntilWait, crashed: Crashed, tmp_path: Path
) -> None:
    def waits(context: Context) -> Script:
        yield "wait_for", "early"
        yield "defer_until", lambda: True, {"name": "met"}
        yield "wait_for", "last"

    workflow = Workflow("w", tasks=[scripted("async def", waits)])
    async with AsyncRunner(tmp_path / "w.db") as runner:
        execution = await runner.submit(workflow)
        await until_wait(runner, execution)
        await runner.signal(execution.id, "early")
        while [wait.name for wait in await runner.waits(execution.id, phase="waiting")] != ["last"]:
            await runner.events(execution.id)
        path = crashed(tmp_path / "w.db")
        await execution.cancel()
    before = stored_waits(path)

    async with AsyncRunner(path) as runner:
        runner.register(workflow)
        await runner.signal(execution.id, "last")
        (await runner.wait(execution.id)).raise_for_status()

    assert stored_waits(path)[:2] == before[:2]
    assert len(before) == 3
