"""What becomes of a handle, its waits and its slot when the task has ended or was given up before them."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    Context,
    ExecutionStatus,
    HandleConsumed,
    TaskHandle,
    Workflow,
    task,
)
from cloacina.execution.event_loop import EventLoop
from cloacina.execution.waiting.wait import Wait
from cloacina.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.integration.conftest import Until

pytestmark = pytest.mark.anyio


@task
async def nothing(context: Context) -> None:
    pass


async def test_the_timeout_of_a_cancelled_thread_that_goes_on_breaks_nothing() -> None:
    clock = VirtualClock(auto=False)
    started, may_end = threading.Event(), threading.Event()

    @task(timeout=60)
    def stubborn(context: Context) -> None:
        started.set()
        may_end.wait()

    @task
    async def later(context: Context) -> None:
        clock.advance(60)  # The timeout of the other one passes meanwhile.
        await anyio.lowlevel.checkpoint()

    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(Workflow("stubborn", tasks=[stubborn]))
        await anyio.to_thread.run_sync(started.wait)
        await execution.cancel()
        assert (await execution.wait()).status is ExecutionStatus.CANCELLED
        try:
            assert (await runner.execute(Workflow("later", tasks=[later]))).status is ExecutionStatus.COMPLETED
        finally:
            may_end.set()


async def test_a_slot_that_is_granted_to_a_thread_just_given_up_is_told_to_be_free(
    monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    @task
    def waiting(context: Context, handle: BlockingTaskHandle) -> None:
        answers = iter([False, True])
        handle.defer_until(lambda: next(answers), poll_interval_ms=1)

    granted = Wait.slot_granted
    cancel: list[Callable[[], object]] = []

    def cancel_at_once(wait: Wait) -> None:
        granted(wait)
        cancel[0]()

    monkeypatch.setattr(Wait, "slot_granted", cancel_at_once)
    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("waiting", tasks=[waiting]))
        run = execution._run
        assert run is not None
        cancel.append(run.cancel)
        assert (await execution.wait()).status is ExecutionStatus.CANCELLED

        async def is_told() -> bool:
            return [event.type for event in await runner.events(execution.id)][-1] == "slot_freed"

        await until(is_told)
        events = await runner.events(execution.id)
        assert [event.slot for event in events if event.type in {"slot_kept", "slot_freed"}] == [0, 0]
        assert [(record.status, record.sub_status) for record in await runner.tasks(execution.id)] == [
            ("Cancelled", None)
        ]
        assert (await runner.waits(execution.id))[0].phase == "ended"


@pytest.mark.parametrize("step", ["wait", "yield"])
async def test_what_a_task_leaves_behind_takes_no_slot_and_changes_no_record(step: str, until: Until) -> None:
    ended: list[BaseException | None] = []
    is_met = False

    async def use(handle: TaskHandle) -> None:
        try:
            if step == "wait":
                await handle.defer_until(lambda: is_met, poll_interval_ms=1)
            else:
                await handle.yield_slot()
        except HandleConsumed as error:
            ended.append(error)
        else:
            ended.append(None)

    @task
    async def careless(context: Context, handle: TaskHandle) -> None:
        await until(lambda: slots.queued)
        EventLoop.current().spawn(lambda: use(handle), contextvars.copy_context())
        await until(lambda: not handle.is_slot_held())

    busy, may_end = anyio.Event(), anyio.Event()

    @task
    async def long(context: Context) -> None:
        busy.set()
        await may_end.wait()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        slots = runner._engine._resources.slots
        execution = await runner.submit(Workflow("careless", tasks=[careless]))
        other = await runner.submit(Workflow("long", tasks=[long]))
        assert (await execution.wait()).status is ExecutionStatus.COMPLETED
        await until(lambda: ended)
        is_met = True
        assert isinstance(ended[0], HandleConsumed) is (step == "wait")
        await busy.wait()
        may_end.set()
        await other.wait()
        events = [event.type for event in await runner.events(execution.id)]
        assert events[-2:] == ["task_completed", "execution_completed"]
        assert [(record.status, record.sub_status) for record in await runner.tasks(execution.id)] == [
            ("Completed", None)
        ]
        assert all(wait.phase == "ended" for wait in await runner.waits(execution.id))
        # The one slot is free.
        assert (await runner.execute(Workflow("nothing", tasks=[nothing]))).status is ExecutionStatus.COMPLETED


async def test_what_queues_for_a_slot_leaves_the_queue_with_its_task(until: Until) -> None:
    may_end, is_met = anyio.Event(), threading.Event()
    ended: list[BaseException] = []

    async def use(handle: TaskHandle) -> None:
        try:
            await handle.defer_until(is_met.is_set, poll_interval_ms=1)
        except HandleConsumed as error:
            ended.append(error)

    @task
    async def careless(context: Context, handle: TaskHandle) -> None:
        EventLoop.current().spawn(lambda: use(handle), contextvars.copy_context())
        await may_end.wait()

    @task
    async def occupies(context: Context) -> None:
        is_met.set()
        await until(lambda: slots.queued)
        may_end.set()
        await until(lambda: ended)
        context["queued"] = slots.queued

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        slots = runner._engine._resources.slots
        execution = await runner.submit(Workflow("careless", tasks=[careless]))
        other = await runner.submit(Workflow("occupies", tasks=[occupies]))
        assert (await execution.wait()).status is ExecutionStatus.COMPLETED
        assert (await other.wait()).context == {"queued": 0}
        assert slots.available == 1


@pytest.mark.parametrize(
    "use",
    [lambda handle: handle.defer_until(lambda: True), lambda handle: handle.yield_slot()],
    ids=["defer_until", "yield_slot"],
)
async def test_a_handle_is_of_no_use_after_its_task(use: Callable[[TaskHandle], Awaitable[Any]]) -> None:
    kept: list[TaskHandle] = []

    @task
    async def keeping(context: Context, handle: TaskHandle) -> None:
        kept.append(handle)

    async with AsyncRunner("sqlite://") as runner:
        await runner.execute(Workflow("keeping", tasks=[keeping]))
        with pytest.raises(HandleConsumed, match="'keeping' has ended"):
            await use(kept[0])
        with pytest.raises(HandleConsumed, match="'keeping' has ended"):
            kept[0].into_slot_token()
