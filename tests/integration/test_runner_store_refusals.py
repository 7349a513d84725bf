"""What the database refuses of one execution, or somebody has deleted of it: that execution fails, and no other."""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import pytest

from cloacina import AsyncRunner, Context, Execution, Runner, StoreWriteFailed, TaskHandle, TaskStatus, Workflow, task
from cloacina.testing import VirtualClock

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Until, UntilWait

_ROWS = ("execution_events", "waits", "task_executions", "workflow_executions")

# What another program does to one execution while it waits, and what the store then says of it in the end.
_HARM: dict[str, tuple[str, str | None]] = {
    "its rows are deleted": (
        "; ".join(f"DELETE FROM {table} WHERE {{id}}" for table in _ROWS).replace(
            "workflow_executions WHERE {id}", "workflow_executions WHERE id = '{execution}'"
        ),
        None,
    ),
    "the row of its task is deleted": ("DELETE FROM task_executions WHERE {id}", "Failed"),
    "the row of its wait is deleted": ("DELETE FROM waits WHERE {id}", "Failed"),
    "new states of its tasks are refused": (
        "CREATE TRIGGER no BEFORE UPDATE ON task_executions WHEN NEW.{id} BEGIN SELECT RAISE(ABORT, 'quota'); END",
        "Failed",
    ),
    "new states of its waits are refused": (
        "CREATE TRIGGER no BEFORE UPDATE ON waits WHEN NEW.{id} BEGIN SELECT RAISE(ABORT, 'quota'); END",
        "Failed",
    ),
    "its events are refused, that of its end with them": (
        "CREATE TRIGGER no BEFORE INSERT ON execution_events WHEN NEW.{id} BEGIN SELECT RAISE(ABORT, 'quota'); END",
        "Running",
    ),
}


def _harm(path: Path, script: str, execution: str = "") -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script.format(id=f"execution_id = '{execution}'", execution=execution))


def _stored_status(path: Path, execution: str) -> str | None:
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT status FROM workflow_executions WHERE id = ?", (execution,)).fetchone()
    return None if row is None else row[0]


@task
async def nothing(context: Context) -> None:
    """Do nothing."""


class _Waiting:
    """A workflow of two tasks that wait, one of them for the gate, and of one behind them."""

    def __init__(self) -> None:
        self.is_open = False
        self.cleaned_up: list[str] = []

        @task
        async def gate(context: Context, handle: TaskHandle) -> None:
            await handle.defer_until(lambda: self.is_open, poll_interval_ms=1)

        @task
        async def other(context: Context, handle: TaskHandle) -> None:
            try:
                await handle.defer_until(lambda: False if context["is_victim"] else self.is_open, poll_interval_ms=1)
            finally:
                self.cleaned_up.append("other")

        @task(dependencies=[gate, other])
        async def behind(context: Context) -> None:
            context["behind"] = True

        self.workflow = Workflow("waiting", tasks=[gate, other, behind])


@pytest.mark.parametrize("harm", _HARM)
async def test_refused_changes_fail_their_own_execution_and_no_other(
    harm: str, tmp_path: Path, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "runs.db"
    script, stored = _HARM[harm]
    waiting = _Waiting()
    with anyio.fail_after(20):
        async with AsyncRunner(path) as runner:
            before = await runner.submit(waiting.workflow, {"is_victim": False})
            victim = await runner.submit(waiting.workflow, {"is_victim": True})
            after = await runner.submit(waiting.workflow, {"is_victim": False})

            async def all_wait() -> bool:
                return len(await runner.waits(phase="waiting")) == 6

            await until(all_wait)
            _harm(path, script, victim.id)
            waiting.is_open = True
            failed = await victim.wait()
            completed = [await before.wait(), await after.wait(), await runner.execute(Workflow("n", tasks=[nothing]))]

    assert failed.status == "Failed"
    assert failed.error is not None
    assert failed.error.code == StoreWriteFailed.code
    assert "The database refused to store" in failed.error.message
    assert {record.status for record in failed.tasks.values()} <= {TaskStatus.FAILED, TaskStatus.CANCELLED}
    assert waiting.cleaned_up == ["other"] * 3
    assert [result.status for result in completed] == ["Completed"] * 3
    assert _stored_status(path, victim.id) == stored
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert [getattr(record, "execution_id", None) for record in errors] == [victim.id] * (
        1 if stored == "Failed" else 2
    )


_REFUSE_WHAT_IS_POISONED = (
    "CREATE TRIGGER no BEFORE UPDATE ON task_executions WHEN NEW.changes LIKE '%poison%' "
    "BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
)


@pytest.mark.parametrize("more", ["nothing", "a task behind it", "a task beside it, with whose end the execution ends"])
async def test_task_whose_end_is_refused_has_failed_and_nothing_is_built_on_it(more: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"

    @task
    async def clean(context: Context) -> None:
        context["clean"] = 1

    @task(dependencies=[clean])
    async def writes(context: Context) -> None:
        context["value"] = "poison"

    @task(dependencies=[writes])
    async def reads(context: Context) -> None:
        context["seen"] = context["value"]

    @task(dependencies=[clean])
    async def beside(context: Context) -> None:
        context["beside"] = 2

    others = {"nothing": [], "a task behind it": [reads]}.get(more, [beside])
    async with AsyncRunner(path) as runner:
        _harm(path, _REFUSE_WHAT_IS_POISONED)
        result = await runner.execute(Workflow("w", tasks=[clean, writes, *others]), {"given": 0})
        assert _stored_status(path, result.id) == "Failed"  # before anyone was told
        stored = await runner.wait(result.id)

    assert result.status == stored.status == "Failed"
    assert result.error == stored.error
    assert result.error is not None
    assert (result.error.task_id, result.error.attempt) == ("writes", 1)
    assert "poisoned" in result.error.message
    assert result.context == stored.context == {"given": 0, "clean": 1} | ({"beside": 2} if beside in others else {})
    assert result.tasks["writes"].status == "Failed"
    assert result.tasks["writes"].error == result.error
    assert reads not in others or result.tasks["reads"].status == "Cancelled"
    assert _rows(path, "task_executions", "status") == [record.status for record in result.tasks.values()]


def _rows(path: Path, table: str, column: str) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute(f"SELECT {column} FROM {table} ORDER BY id")]


async def test_submission_that_is_refused_is_told_and_stored_not_even_in_part(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    ran: list[int] = []

    @task
    async def work(context: Context) -> None:
        ran.append(context["number"])

    refused, taken = Workflow("refused", tasks=[work]), Workflow("taken", tasks=[work])
    many = [{"number": number} for number in range(2, 5)]
    async with AsyncRunner(path) as runner:
        _harm(
            path,
            "CREATE TRIGGER no BEFORE INSERT ON workflow_executions WHEN NEW.workflow = 'refused' "
            "AND NEW.context NOT LIKE '%2%' BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        )
        told: list[str] = []

        async def expect(call: str) -> None:
            with pytest.raises(StoreWriteFailed, match=r"a new execution.*not this one"):
                if call == "submit_many":
                    await runner.submit_many(refused, many)
                else:
                    await getattr(runner, call)(refused, {"number": 1})
            told.append(call)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                for call in ("submit", "execute", "submit_many"):
                    group.start_soon(expect, call)
                for number in range(10, 13):
                    assert (await runner.execute(taken, {"number": number})).status == "Completed"

    assert sorted(told) == ["execute", "submit", "submit_many"]
    assert ran == [10, 11, 12]
    assert _rows(path, "workflow_executions", "workflow") == ["taken"] * 3


async def test_what_comes_late_of_an_execution_that_was_deleted_is_nothing_to_speak_of(
    tmp_path: Path, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "runs.db"
    clock = VirtualClock()
    may_end, has_ended = threading.Event(), threading.Event()

    @task(timeout=60)
    def outlives_its_timeout(context: Context) -> None:
        clock.advance(60)
        may_end.wait(20)
        has_ended.set()

    async with AsyncRunner(path, max_concurrent_tasks=1, clock=clock) as runner:
        ended = await runner.execute(Workflow("ends", tasks=[outlives_its_timeout]))
        script, _ = _HARM["its rows are deleted"]
        _harm(path, script, ended.id)
        caplog.clear()
        may_end.set()
        # Starts when the thread has given its slot back: behind the event that tells of that.
        result = await runner.execute(Workflow("n", tasks=[nothing]))

    assert ended.status == "Failed"
    assert has_ended.is_set()
    assert result.status == "Completed"
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


async def test_execution_that_is_cancelled_meanwhile_and_refused_ends(
    tmp_path: Path, until: Until, until_wait: UntilWait
) -> None:
    path = tmp_path / "runs.db"
    waiting = _Waiting()
    with anyio.fail_after(20):
        async with AsyncRunner(path) as runner:
            execution: Execution = await runner.submit(waiting.workflow, {"is_victim": True})
            await until_wait(runner, execution)
            script, _ = _HARM["its rows are deleted"]
            _harm(path, script, execution.id)
            await execution.cancel()
            result = await execution.wait()

    assert result.status == "Failed"


def test_blocking_runner_goes_on_after_a_refusal(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"

    @task
    def poison(context: Context) -> None:
        context["value"] = "poison"

    with Runner(path) as runner:
        _harm(path, _REFUSE_WHAT_IS_POISONED)
        failed = runner.execute(Workflow("poisoned", tasks=[poison]))
        completed = runner.execute(Workflow("n", tasks=[nothing]))

    assert (failed.status, completed.status) == ("Failed", "Completed")
