"""Promise 2: from release to reclaim a task holds no slot, and `is_slot_held()` says so."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import pytest

from cloacina import AsyncRunner, BlockingTaskHandle, Context, TaskHandle, Workflow, task

if TYPE_CHECKING:
    from tests.integration.conftest import Deferring, Until, UntilWait

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])


@_BOTH_KINDS
async def test_handle_releases_and_reclaims(kind: str, until: Until) -> None:
    is_open = threading.Event()
    handles: list[TaskHandle | BlockingTaskHandle] = []

    @task(id="wait")
    async def wait(context: Context, handle: TaskHandle) -> None:
        handles.append(handle)
        await handle.defer_until(is_open.is_set, poll_interval_ms=1)
        context["held_after"] = handle.is_slot_held()

    @task(id="wait")
    def wait_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        handles.append(handle)
        handle.defer_until(is_open.is_set, poll_interval_ms=1)
        context["held_after"] = handle.is_slot_held()

    workflow = Workflow("waits", tasks=[wait if kind == "async def" else wait_blocking])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(workflow)
        await until(lambda: handles and not handles[0].is_slot_held())
        is_open.set()
        result = (await execution.wait()).raise_for_status()
    assert result.context == {"held_after": True}


@_BOTH_KINDS
async def test_a_task_that_queues_to_reclaim_holds_no_slot(kind: str, until: Until, until_wait: UntilWait) -> None:
    waiter_is_open, occupant_is_open, occupies = threading.Event(), anyio.Event(), anyio.Event()
    handles: list[TaskHandle | BlockingTaskHandle] = []

    @task(id="wait")
    async def wait(context: Context, handle: TaskHandle) -> None:
        handles.append(handle)
        await handle.defer_until(waiter_is_open.is_set, poll_interval_ms=1)

    @task(id="wait")
    def wait_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        handles.append(handle)
        handle.defer_until(waiter_is_open.is_set, poll_interval_ms=1)

    @task
    async def occupy(context: Context) -> None:
        occupies.set()
        await occupant_is_open.wait()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        waiting = await runner.submit(Workflow("waits", tasks=[wait if kind == "async def" else wait_blocking]))
        await until(lambda: handles and not handles[0].is_slot_held())
        await runner.submit(Workflow("occupies", tasks=[occupy]))
        await occupies.wait()
        waiter_is_open.set()
        await until_wait(runner, waiting, "resuming")
        assert not handles[0].is_slot_held()
        (record,) = await runner.tasks(waiting.id)
        assert (record.status, record.sub_status) == ("Running", "Deferred")
        occupant_is_open.set()
        (await waiting.wait()).raise_for_status()


@_BOTH_KINDS
async def test_freed_slots_serve_others(kind: str, deferring: Deferring) -> None:
    is_open = threading.Event()
    journal: list[str] = []

    @task
    def open_gate(context: Context) -> None:
        journal.append("other runs")
        is_open.set()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        waiting = await runner.submit(Workflow("waits", tasks=[deferring(kind, "wait", is_open.is_set, journal)]))
        # With one slot, this can only run in the slot that the wait has freed.
        (await runner.execute(Workflow("opens", tasks=[open_gate]))).raise_for_status()
        (await waiting.wait()).raise_for_status()
    assert journal == ["wait starts", "other runs", "wait goes on"]


@_BOTH_KINDS
async def test_local_variables_survive_a_wait(kind: str) -> None:
    is_open = threading.Event()

    @task(id="wait")
    async def wait(context: Context, handle: TaskHandle) -> None:
        local = {"opened": ["before"]}
        for number in range(3):
            await handle.defer_until(is_open.is_set, poll_interval_ms=1)
            local["opened"].append(f"wait {number}")
        context["local"] = local

    @task(id="wait")
    def wait_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        local = {"opened": ["before"]}
        for number in range(3):
            handle.defer_until(is_open.is_set, poll_interval_ms=1)
            local["opened"].append(f"wait {number}")
        context["local"] = local

    @task
    def open_gate(context: Context) -> None:
        is_open.set()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[wait if kind == "async def" else wait_blocking]))
        await runner.execute(Workflow("opens", tasks=[open_gate]))
        result = (await execution.wait()).raise_for_status()
    assert result.context == {"local": {"opened": ["before", "wait 0", "wait 1", "wait 2"]}}
