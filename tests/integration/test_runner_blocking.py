"""What `Runner` adds: it works from synchronous code, from several threads and inside of a running event loop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from cloacina import (
    BlockingExecution,
    BlockingTaskHandle,
    Context,
    Runner,
    RunnerClosed,
    StoreUnavailable,
    TaskHandle,
    UnknownExecution,
    UnknownWorkflow,
    Workflow,
    task,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _double() -> Workflow:
    @task
    def double(context: Context) -> None:
        context["doubled"] = 2 * context["number"]

    return Workflow("double", tasks=[double])


def _gated(gate: threading.Event, is_waiting: threading.Event) -> Workflow:
    def condition() -> bool:
        is_waiting.set()
        return gate.is_set()

    @task
    async def gated(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(condition, poll_interval_ms=1)

    return Workflow("gated", tasks=[gated])


def test_it_has_the_methods_of_the_async_runner() -> None:
    gate, is_waiting = threading.Event(), threading.Event()
    with Runner("sqlite://", max_concurrent_tasks=2, max_blocking_waits=1, durability="full") as runner:
        result = runner.execute(_double(), {"number": 21}).raise_for_status()
        assert result.context == {"number": 21, "doubled": 42}
        assert runner.wait(result.id) == result
        runner.register(_double())
        executions = runner.submit_many("double", ({"number": number} for number in range(3)))
        assert [execution.wait().context["doubled"] for execution in executions] == [0, 2, 4]
        assert len(runner.executions(workflow="double", status="Completed", limit=3)) == 3
        assert [record.task_id for record in runner.tasks(result.id)] == ["double"]
        events = runner.events(result.id)
        assert runner.events(result.id, after=events[0].number, limit=1) == events[1:2]

        execution = runner.submit(_gated(gate, is_waiting))
        assert is_waiting.wait(20)
        with pytest.raises(TimeoutError):
            execution.wait(timeout=timedelta(milliseconds=1))
        with pytest.raises(TimeoutError):
            runner.wait(execution.id, timeout=0.001)
        assert runner.cancel(execution.id)
        assert execution.wait(timeout=20).status == "Cancelled"
        assert not execution.cancel()
        assert [wait.outcome for wait in runner.waits(execution.id)] in ([], ["cancelled"])
        with pytest.raises(UnknownExecution):
            runner.wait("unknown")
        with pytest.raises(UnknownWorkflow):
            runner.submit("unknown")


def test_leaving_the_block_waits_and_results_are_read_after_it() -> None:
    with Runner("sqlite://") as runner:
        executions = runner.submit_many(_double(), [{"number": number} for number in range(10)])
    assert [execution.wait().context["doubled"] for execution in executions] == [2 * number for number in range(10)]
    assert not executions[0].cancel()


def test_leaving_the_block_by_an_exception_cancels(tmp_path: Path) -> None:
    gate, is_waiting = threading.Event(), threading.Event()
    submitted: list[BlockingExecution] = []
    with pytest.raises(ZeroDivisionError), Runner(tmp_path / "runs.db") as runner:
        submitted.append(runner.submit(_gated(gate, is_waiting)))
        assert is_waiting.wait(20)
        raise ZeroDivisionError
    (execution,) = submitted
    assert execution.wait().status == "Cancelled"
    with Runner(tmp_path / "runs.db") as another:
        assert another.wait(execution.id).status == "Cancelled"


def test_it_serves_several_threads() -> None:
    workflow = _double()
    with Runner("sqlite://") as runner, ThreadPoolExecutor(8) as threads:

        def use(number: int) -> Any:
            return runner.execute(workflow, {"number": number}).context["doubled"]

        assert list(threads.map(use, range(40))) == [2 * number for number in range(40)]


async def test_it_works_inside_of_a_running_event_loop() -> None:
    with Runner("sqlite://") as runner:
        assert runner.execute(_double(), {"number": 4}).context["doubled"] == 8


def test_a_task_may_use_the_runner_it_runs_on() -> None:
    @task
    def parent(context: Context, handle: BlockingTaskHandle) -> None:
        child = runner.submit(_double(), {"number": 5})
        context["child"] = handle.defer_until(
            lambda: child.id in {record.id for record in runner.executions(status="Completed")} and child.id,
            poll_interval_ms=1,
        )

    with Runner("sqlite://", max_concurrent_tasks=1) as runner:
        result = runner.execute(Workflow("parent", tasks=[parent])).raise_for_status()
        assert runner.wait(result.context["child"]).context["doubled"] == 10


def test_many_runners_live_side_by_side() -> None:
    with Runner("sqlite://") as one, Runner("sqlite://") as two:
        assert one.execute(_double(), {"number": 1}).context["doubled"] == 2
        assert two.execute(_double(), {"number": 2}).context["doubled"] == 4
        assert len(one.executions()) == len(two.executions()) == 1


def _uses(runner: Runner) -> list[Callable[[], Any]]:
    return [
        lambda: runner.submit(_double(), {"number": 1}),
        lambda: runner.submit_many(_double(), [{"number": 1}]),
        lambda: runner.execute(_double(), {"number": 1}),
        lambda: runner.wait("id"),
        lambda: runner.cancel("id"),
        lambda: runner.executions(),
        lambda: runner.tasks("id"),
        lambda: runner.events("id"),
        lambda: runner.waits(),
    ]


def test_it_is_used_inside_of_its_block() -> None:
    runner = Runner("sqlite://")
    for use in _uses(runner):
        with pytest.raises(RunnerClosed, match="not been entered"):
            use()
    with runner, pytest.raises(RunnerClosed):
        runner.__enter__()
    for use in _uses(runner):
        with pytest.raises(RunnerClosed, match="been left"):
            use()
    with pytest.raises(RunnerClosed), runner:
        pass


def test_a_database_that_cannot_be_opened_is_told_on_entering(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = set(threading.enumerate())
    runner = Runner(tmp_path / "missing" / "runs.db")
    with pytest.raises(StoreUnavailable):
        runner.__enter__()
    _assert_ended(set(threading.enumerate()) - before)
    assert not caplog.records  # It is raised, so it is not logged as well.


def test_it_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    with Runner("sqlite://") as runner:
        runner.execute(_double(), {"number": 1})
    _assert_ended(set(threading.enumerate()) - before)


def _assert_ended(threads: set[threading.Thread]) -> None:
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_a_thread_that_outlives_its_task_and_the_runner_ends_in_peace(caplog: pytest.LogCaptureFixture) -> None:
    is_running, may_end, has_ended = threading.Event(), threading.Event(), threading.Event()

    @task
    def stubborn(context: Context, handle: BlockingTaskHandle) -> None:
        is_running.set()
        try:
            may_end.wait(20)
        finally:
            has_ended.set()

    submitted: list[BlockingExecution] = []
    with pytest.raises(ZeroDivisionError), Runner("sqlite://") as runner:
        submitted.append(runner.submit(Workflow("stubborn", tasks=[stubborn])))
        assert is_running.wait(20)
        raise ZeroDivisionError
    assert submitted[0].wait().status == "Cancelled"
    may_end.set()
    assert has_ended.wait(20)
    assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []


async def test_a_thread_that_outlives_an_async_runner_ends_in_peace(caplog: pytest.LogCaptureFixture) -> None:
    from cloacina import AsyncRunner

    is_running, may_end = threading.Event(), threading.Event()
    ended: list[BaseException | None] = []

    @task
    def stubborn(context: Context, handle: BlockingTaskHandle) -> None:
        is_running.set()
        may_end.wait(20)
        try:
            handle.defer_until(lambda: True)
        except BaseException as error:
            ended.append(error)
            raise

    with pytest.raises(ZeroDivisionError):
        async with AsyncRunner("sqlite://") as runner:
            await runner.submit(Workflow("stubborn", tasks=[stubborn]))
            while not is_running.is_set():
                await anyio.sleep(0.001)
            raise ZeroDivisionError
    may_end.set()
    with anyio.fail_after(20):
        while not ended:
            await anyio.sleep(0.001)
    await anyio.lowlevel.checkpoint()  # The loop goes on, and takes back what the thread hands it.
    assert type(ended[0]).__name__ == "TaskCancelled"
    assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []


def test_a_body_that_cancels_every_task_of_the_loop_ends_no_runner(caplog: pytest.LogCaptureFixture) -> None:
    @task
    async def cancel(context: Context) -> None:
        for other in asyncio.all_tasks() - {asyncio.current_task()}:
            other.cancel()

    with Runner("sqlite://") as runner:
        execution = runner.submit(Workflow("cancelling", tasks=[cancel]))
        while not execution.is_over:
            threading.Event().wait(0.001)
        assert runner.execute(_double(), {"number": 1}).context["doubled"] == 2
    assert "has ended before" not in caplog.text
