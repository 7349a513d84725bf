"""What becomes of executions when the block of an `AsyncRunner` is left, and of a runner outside of it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from cloacina import (
    AsyncRunner,
    Context,
    Execution,
    RunnerClosed,
    TaskHandle,
    Workflow,
    task,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Deferring, Until, UntilWait


def _double() -> Workflow:
    @task
    def double(context: Context) -> None:
        context["doubled"] = 2 * context["number"]

    return Workflow("double", tasks=[double])


def _never() -> Workflow:
    @task
    async def never(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(lambda: False, poll_interval_ms=1)

    return Workflow("never", tasks=[never])


async def test_leaving_the_block_waits_for_what_was_submitted() -> None:
    done: list[int] = []

    @task
    async def slow(context: Context) -> None:
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        done.append(1)

    @task(dependencies=[slow])
    def after(context: Context) -> None:
        done.append(2)

    async with AsyncRunner("sqlite://") as runner:
        executions = await runner.submit_many(Workflow("slow", tasks=[slow, after]), [None] * 5)
    assert sorted(done) == [1] * 5 + [2] * 5
    # What has ended can be read after that.
    assert {(await execution.wait()).status for execution in executions} == {"Completed"}
    assert not await executions[0].cancel()


async def test_leaving_the_block_by_an_exception_cancels(tmp_path: Path, until_wait: UntilWait) -> None:
    submitted: list[Execution] = []
    with pytest.raises(ZeroDivisionError):
        async with AsyncRunner(tmp_path / "runs.db") as runner:
            submitted.append(await runner.submit(_never()))
            await until_wait(runner, submitted[0])
            raise ZeroDivisionError
    (execution,) = submitted
    assert (await execution.wait()).status == "Cancelled"
    async with AsyncRunner(tmp_path / "runs.db") as another:
        assert (await another.wait(execution.id)).status == "Cancelled"


async def test_being_cancelled_while_leaving_the_block_cancels_and_ends_in_order(
    tmp_path: Path, until_wait: UntilWait
) -> None:
    submitted: list[Execution] = []
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group, AsyncRunner(tmp_path / "runs.db") as runner:
            submitted.append(await runner.submit(_never()))
            await until_wait(runner, submitted[0])

            async def cancel() -> None:
                scope.cancel()

            group.start_soon(cancel)
    assert scope.cancelled_caught
    assert (await submitted[0].wait()).status == "Cancelled"


async def test_leaving_while_a_condition_hangs_leaves_no_task_behind(until: Until, deferring: Deferring) -> None:
    hangs, may_return = threading.Event(), threading.Event()

    def condition() -> bool:
        hangs.set()
        return may_return.wait(20)

    before = {found.id for found in anyio.get_running_tasks()}
    with anyio.fail_after(20), pytest.raises(ZeroDivisionError):
        async with AsyncRunner("sqlite://") as runner:
            await runner.submit(Workflow("hangs", tasks=[deferring("async def", "wait", condition)]))
            await until(hangs.is_set)
            raise ZeroDivisionError
    await until(lambda: {found.id for found in anyio.get_running_tasks()} <= before)
    assert not may_return.is_set()
    may_return.set()


async def test_a_task_may_submit_more_while_the_block_is_being_left() -> None:
    results: list[dict[str, Any]] = []

    @task
    async def parent(context: Context) -> None:
        results.append((await runner.execute(_double(), {"number": 4})).context)

    async with AsyncRunner("sqlite://") as runner:
        await runner.submit(Workflow("parent", tasks=[parent]))
    assert results == [{"number": 4, "doubled": 8}]


def _uses(runner: AsyncRunner) -> list[Callable[[], Any]]:
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


async def test_a_runner_is_used_inside_of_its_block() -> None:
    runner = AsyncRunner("sqlite://")
    for use in _uses(runner):
        with pytest.raises(RunnerClosed, match="not been entered"):
            await use()
    async with runner:
        with pytest.raises(RunnerClosed):
            await runner.__aenter__()
    for use in _uses(runner):
        with pytest.raises(RunnerClosed, match="been left"):
            await use()
    with pytest.raises(RunnerClosed):
        async with runner:
            pass
