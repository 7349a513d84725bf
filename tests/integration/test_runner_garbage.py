"""What has ended is forgotten: nothing of an execution stays in memory, however it ended."""

from __future__ import annotations

import gc
from collections import Counter
from typing import TYPE_CHECKING

import anyio
import pytest

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    Context,
    ExecutionStatus,
    RetryPolicy,
    SlotToken,
    TaskHandle,
    Workflow,
    task,
)
from cloacina.execution.attempt import Attempt
from cloacina.execution.handle import EngineTaskHandle
from cloacina.execution.task_execution import TaskExecution
from cloacina.execution.waiting.timers import CallbackTimer
from cloacina.execution.waiting.wait import Wait
from cloacina.scheduling.execution_run import ExecutionRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.conftest import Until

_OF_AN_EXECUTION = (
    Attempt,
    CallbackTimer,
    Context,
    EngineTaskHandle,
    ExecutionRun,
    SlotToken,
    TaskExecution,
    Wait,
)


@pytest.fixture(autouse=True)
def _only_what_is_new() -> Iterator[None]:
    """Spare the collector, and whoever asks it, the half a million objects that are there before a test."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def _alive() -> Counter[str]:
    gc.collect()
    return Counter(type(found).__name__ for found in gc.get_objects() if issubclass(type(found), _OF_AN_EXECUTION))


async def test_nothing_remains_of_a_thousand_executions(until: Until) -> None:
    before = _alive()
    answers = iter([False, True] * 10_000)

    def fail() -> bool:
        raise OSError("not reachable")

    @task
    async def waits(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(lambda: next(answers), poll_interval_ms=1)

    @task(dependencies=[waits])
    def waits_in_a_thread(context: Context, handle: BlockingTaskHandle) -> None:
        handle.defer_until(lambda: next(answers), poll_interval_ms=1, timeout=60)

    @task(dependencies=[waits])
    def fails(context: Context) -> None:
        if context["number"] % 2:
            raise ValueError(context)

    @task(dependencies=[waits], retry=RetryPolicy(attempts=2, delay=0))
    async def fails_in_a_wait(context: Context, handle: TaskHandle) -> None:
        if context["number"] % 3 == 0:
            await handle.defer_until(fail)
        token = handle.into_slot_token()
        token.release()

    @task(dependencies=[fails], timeout=60)
    async def after(context: Context) -> None:
        context["done"] = True

    workflow = Workflow("mixed", tasks=[waits, waits_in_a_thread, fails, fails_in_a_wait, after])

    async def run_many() -> None:
        executions = await runner.submit_many(workflow, [{"number": number} for number in range(200)])
        for execution in executions[::10]:
            await execution.cancel()
        statuses = {(await execution.wait()).status for execution in executions}
        assert statuses == set(ExecutionStatus) - {ExecutionStatus.PENDING, ExecutionStatus.RUNNING}

    async with AsyncRunner("sqlite://", max_concurrent_tasks=4) as runner:
        for _ in range(5):
            await run_many()
        # What a cancelled thread still holds goes with the thread.
        await until(lambda: not _more(before))
        # The runner itself goes on.
        assert len(await runner.executions(limit=2_000)) == 1_000
    assert not _more(before)


def _more(before: Counter[str]) -> Counter[str]:
    more = _alive() - before
    # The one timer that belongs to the runner stores the counts of polls.
    more["CallbackTimer"] = max(0, more["CallbackTimer"] - 1)
    return +more


async def test_an_execution_lets_those_go_who_wait_for_it_no_more() -> None:
    @task
    async def work(context: Context) -> None:
        await anyio.sleep_forever()

    def one_shots() -> int:
        gc.collect()
        return sum(type(found) is kind for found in gc.get_objects())

    async with AsyncRunner("sqlite://") as runner:
        kind = type(runner._engine._loop.one_shot())
        execution = await runner.submit(Workflow("works", tasks=[work]))
        before = one_shots()
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await execution.wait(timeout=0.001)
        assert one_shots() < before + 20
        await execution.cancel()


@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize("ending", ["completes", "fails", "waits"])
async def test_an_execution_is_freed_without_the_garbage_collector(kind: str, ending: str) -> None:
    answers = iter([False, True] * 1_000)

    @task(id="works")
    async def works(context: Context, handle: TaskHandle) -> None:
        if ending == "waits":
            await handle.defer_until(lambda: next(answers), poll_interval_ms=1)
        if ending == "fails":
            raise ValueError("broken")

    @task(id="works")
    def works_in_a_thread(context: Context, handle: BlockingTaskHandle) -> None:
        if ending == "waits":
            handle.defer_until(lambda: next(answers), poll_interval_ms=1)
        if ending == "fails":
            raise ValueError("broken")

    workflow = Workflow("works", tasks=[works if kind == "async def" else works_in_a_thread])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=4) as runner:
        await runner.execute(workflow)
        before = _alive()
        gc.disable()
        try:
            for _ in range(20):
                await runner.execute(workflow)
            alive = Counter(
                type(found).__name__ for found in gc.get_objects() if issubclass(type(found), _OF_AN_EXECUTION)
            )
        finally:
            gc.enable()
    # A thread or a callback may hold on to what ran last, until it has the next.
    more = alive - before
    assert all(count <= 2 for count in more.values()), more
