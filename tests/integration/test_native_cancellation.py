"""asyncio's own cancellation, which passes through shields: bodies that go on have slots, and runners end whole."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cloacina import AsyncRunner, Context, ExecutionStatus, TaskHandle, Workflow, task

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from tests.integration.conftest import Until

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]


async def never(handle: TaskHandle) -> None:
    await handle.defer_until(lambda: False, poll_interval_ms=1)


async def yielding(handle: TaskHandle) -> None:
    await handle.yield_slot()


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("leave_slot", [never, yielding])
async def test_the_body_goes_on_with_its_slot(
    leave_slot: Callable[[TaskHandle], Coroutine[Any, Any, None]], times: int, until: Until
) -> None:
    cancelled = anyio.Event()
    is_held_after: list[bool] = []

    @task
    async def waiting(context: Context, handle: TaskHandle) -> None:
        await until(lambda: slots.queued == 1)
        wait = asyncio.create_task(leave_slot(handle))
        await until(lambda: not handle.is_slot_held())
        for _ in range(times):
            wait.cancel()
            await anyio.wait_all_tasks_blocked()
            await until(lambda: slots.queued == 1)
        cancelled.set()
        with pytest.raises(asyncio.CancelledError):
            await wait
        is_held_after.append(handle.is_slot_held())

    @task
    async def busy(context: Context) -> None:
        await cancelled.wait()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        slots = runner._engine._resources.slots
        result = await runner.execute(Workflow("both", tasks=[waiting, busy]))
        assert result.status is ExecutionStatus.COMPLETED
        assert is_held_after == [True]
        assert slots.available == 1
        events = [event.type for event in await runner.events(result.id) if event.task_id == "waiting"]
        assert events[-4:] == ["task_deferred", "task_resuming", "task_resumed", "task_completed"]


async def test_the_end_of_the_attempt_ends_the_queueing(until: Until) -> None:
    @task
    async def waiting(context: Context, handle: TaskHandle) -> None:
        await until(lambda: slots.queued == 1)
        wait = asyncio.create_task(never(handle))
        await until(lambda: not handle.is_slot_held())
        wait.cancel()
        await until(lambda: slots.queued == 1)
        wait.cancel()
        is_queueing.set()
        try:
            await wait
        finally:
            is_held_after.append(handle.is_slot_held())

    @task
    async def busy(context: Context) -> None:
        await anyio.sleep_forever()

    is_held_after: list[bool] = []
    is_queueing = asyncio.Event()
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        slots = runner._engine._resources.slots
        execution = await runner.submit(Workflow("both", tasks=[waiting, busy]))

        async def is_resuming() -> bool:
            return [wait.phase for wait in await runner.waits(execution.id)] == ["resuming"]

        await is_queueing.wait()
        await until(is_resuming)
        await execution.cancel()
        assert (await execution.wait()).status is ExecutionStatus.CANCELLED
        assert is_held_after == [False]
        assert (slots.available, slots.queued) == (1, 0)


def _ended(threads: set[threading.Thread]) -> Callable[[], bool]:
    return lambda: not [found for found in set(threading.enumerate()) - threads if found.name.startswith("cloacina")]


async def test_a_runner_is_left_in_order_however_often_that_is_cancelled(tmp_path: Path, until: Until) -> None:
    before, tasks_before = set(threading.enumerate()), asyncio.all_tasks()
    is_cleaning_up, may_end = asyncio.Event(), asyncio.Event()

    @task
    async def cleans_up(context: Context) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            is_cleaning_up.set()
            with anyio.CancelScope(shield=True):
                await may_end.wait()

    async def use() -> None:
        async with AsyncRunner(tmp_path / "runs.db") as runner:
            execution = await runner.submit(Workflow("cleans_up", tasks=[cleans_up]))
            while (await runner.tasks(execution.id))[0].status != "Running":
                await anyio.sleep(0.001)
            using.cancel()
            await anyio.sleep_forever()

    using = asyncio.create_task(use())
    await is_cleaning_up.wait()
    turns = 0
    while not using.done():
        # In each turn from here to the end, wherever it is by then.
        using.cancel()
        turns += 1
        if turns == 3:
            may_end.set()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await using
    await until(_ended(before))
    assert asyncio.all_tasks() <= tasks_before
    with closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
        assert connection.execute("SELECT status FROM workflow_executions").fetchall() == [("Cancelled",)]


@pytest.mark.parametrize("turn", range(8))
async def test_a_runner_whose_entering_is_cancelled_leaves_nothing_behind(
    turn: int, tmp_path: Path, until: Until
) -> None:
    before, tasks_before = set(threading.enumerate()), asyncio.all_tasks()

    async def use() -> None:
        async with AsyncRunner(tmp_path / "runs.db"):
            await anyio.sleep_forever()

    using = asyncio.create_task(use())
    for _ in range(turn):
        await asyncio.sleep(0)
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    await until(_ended(before))
    assert asyncio.all_tasks() <= tasks_before
