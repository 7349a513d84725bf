"""`cloacina.testing` against a runner: crashes at every wait, signals and answers in time, slots, and the fixtures."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    Context,
    RetryPolicy,
    Runner,
    Signal,
    TaskHandle,
    Workflow,
    task,
)
from cloacina.testing import VirtualClock, answer, assert_no_slot_leak, run_workflow, send_signal

Backend = Literal["asyncio", "trio"]
backends = pytest.mark.parametrize("backend", ["asyncio", "trio"])


class Outbox:
    """What a test sees of the world outside."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, what: str) -> str:
        self.sent.append(what)
        return what


def order(outbox: Outbox, *, is_careful: bool) -> Workflow:
    with Workflow("order") as workflow:

        @task
        async def settle(context: Context, handle: TaskHandle) -> None:
            context["charged"] = await handle.checkpoint("charge", lambda: outbox.send("charge"))
            context["paid"] = await handle.wait_for("paid", timeout=timedelta(days=1))
            if is_careful:
                await handle.checkpoint("thank", lambda: outbox.send("thank"))
            else:
                outbox.send("thank")
            await handle.defer_for(timedelta(days=3))
            context["is_approved"] = await handle.request_approval("Ship it?")

        @task(dependencies=[settle], retry=RetryPolicy(attempts=2, delay=60))
        def ship(context: Context, handle: BlockingTaskHandle) -> None:
            handle.checkpoint("ship", lambda: outbox.send("ship"))
            calls = iter([False, False, True])
            handle.defer_until(lambda: next(calls))
            if handle.attempt == 1:
                raise ConnectionError
            context["which"], _ = handle.wait_any([Signal("lost"), Signal("delivered")])

    return workflow


@backends
def test_crash_at_every_wait_changes_no_result_and_shows_what_ran_again(backend: Backend) -> None:
    told: dict[bool, tuple[object, ...]] = {}
    given: dict[str, Any] = {
        "signals": [("delivered", None), ("paid", 7)],
        "answers": {"Ship it?": True},
        "backend": backend,
    }
    for is_careful in (False, True):
        outbox, clock, plain_clock = Outbox(), VirtualClock(), VirtualClock()
        plain = run_workflow(order(Outbox(), is_careful=is_careful), {"number": 17}, clock=plain_clock, **given)
        result = run_workflow(
            order(outbox, is_careful=is_careful), {"number": 17}, clock=clock, recover_at_every_wait=True, **given
        )
        assert result.raise_for_status().context == plain.raise_for_status().context
        # The condition has no name, so it is asked again when the process has ended at the wait behind it.
        assert clock.elapsed == plain_clock.elapsed + timedelta(seconds=2)
        assert [waits for _, waits in ((each.elapsed, each.waits) for each in result.recoveries)] == [
            ("task 'settle' for a signal 'paid'",),
            ("task 'settle' for a time",),
            ("task 'settle' for a question",),
            ("task 'ship' for a condition",),
            ("task 'ship' for a condition",),
            ("task 'ship' for a any",),
        ]
        told[is_careful] = tuple((each.task_id, each.text, each.times) for each in result.ran_again)
        assert outbox.sent == ["charge", *["thank"] * (1 if is_careful else 3), "ship"]
        assert (outbox.sent.count("thank") > 1) == ("outbox.send" in result.report())
    assert told == {False: (("settle", 'outbox.send("thank")', 3),), True: ()}


@backends
def test_workflow_that_waits_for_what_the_test_does_not_give_says_what(backend: Backend) -> None:
    with pytest.raises(
        AssertionError, match="does not end; what is waited for: task 'settle' for an answer to 'Ship it"
    ):
        run_workflow(
            order(Outbox(), is_careful=True), {}, signals=[("paid", 7)], recover_at_every_wait=True, backend=backend
        )


async def test_signals_and_answers_come_when_they_are_waited_for_and_before_any_time_is_up() -> None:
    clock = VirtualClock()
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(order(Outbox(), is_careful=True))
        await send_signal(runner, execution, "paid", 7)
        await answer(runner, "Ship it?", True, by="ada")
        assert clock.elapsed == timedelta(days=3), "not a day of the timeout had passed"
        await send_signal(runner, execution.id, "delivered")
        result = (await execution.wait()).raise_for_status()
        with pytest.raises(AssertionError, match="has ended without waiting for the signal 'paid'"):
            await send_signal(runner, execution, "paid")
        with pytest.raises(AssertionError, match=r"nobody has asked 'Why\?'; what is waited for: nothing"):
            await answer(runner, "Why?", "because")
    assert (result.context["paid"], result.context["is_approved"], result.context["which"]) == (7, True, 1)


@pytest.mark.parametrize("is_virtual", [True, False])
def test_they_do_so_beside_a_blocking_runner_too(*, is_virtual: bool) -> None:
    @task
    def ask(context: Context, handle: BlockingTaskHandle) -> None:
        context["paid"] = handle.wait_for("paid")
        context["name"] = handle.request_input("Who?")

    with Runner("sqlite://", clock=VirtualClock() if is_virtual else None) as runner:
        execution = runner.submit(Workflow("w", tasks=[ask]))
        send_signal(runner, execution, "paid", 7)
        answer(runner, "Who?", "ada")
        assert execution.wait().context == {"paid": 7, "name": "ada"}
        assert_no_slot_leak(runner)


async def test_slot_that_is_kept_beyond_its_task_is_a_leak_until_it_is_released() -> None:
    kept: list[Any] = []

    @task
    async def keep(context: Context, handle: TaskHandle) -> None:
        kept.append(handle.into_slot_token())

    async with AsyncRunner("sqlite://", max_concurrent_tasks=2) as runner:
        await runner.execute(Workflow("w", tasks=[keep]))
        with pytest.raises(AssertionError, match=r"1 of 2 slots are held, .*release each SlotToken"):
            assert_no_slot_leak(runner)
        kept[0].release()
        assert_no_slot_leak(runner)


def test_fixtures_give_a_runner_in_virtual_time_and_cost_nothing_when_pytest_starts(tmp_path: Path) -> None:
    (tmp_path / "test_of_a_user.py").write_text("""
import sys
from datetime import timedelta

def test_start_is_quick():
    assert "sqlalchemy" not in sys.modules

def test_wait(cloacina_runner, cloacina_clock):
    from cloacina import Context, TaskHandle, Workflow, task

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        await handle.defer_for(timedelta(days=3))

    cloacina_runner.execute(Workflow("w", tasks=[wait])).raise_for_status()
    assert cloacina_clock.elapsed == timedelta(days=3)
""")
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    (plugin,) = project["entry-points"]["pytest11"].values()
    # By its name alone, as an environment that was made before the plugin does not know of its entry point.
    command = [sys.executable, "-m", "pytest", "-q", "-p", plugin, "-p", "no:cacheprovider", "."]
    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ended = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False)
    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr
