"""asyncio's own cancellation, which passes through shields: the body that goes on after it has its slot again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cloacina import AsyncRunner, Context, ExecutionStatus, TaskHandle, Workflow, task

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

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
        try:
            await wait
        finally:
            is_held_after.append(handle.is_slot_held())

    @task
    async def busy(context: Context) -> None:
        await anyio.sleep_forever()

    is_held_after: list[bool] = []
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        slots = runner._engine._resources.slots
        execution = await runner.submit(Workflow("both", tasks=[waiting, busy]))

        async def is_resuming() -> bool:
            return [wait.phase for wait in await runner.waits(execution.id)] == ["resuming"]

        await until(is_resuming)
        await execution.cancel()
        assert (await execution.wait()).status is ExecutionStatus.CANCELLED
        assert is_held_after == [False]
        assert (slots.available, slots.queued) == (1, 0)
