"""Promise 6: every exit from a wait but cancellation reclaims the slot first."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeAlias

import anyio
import anyio.lowlevel
import pytest

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    ConditionError,
    Context,
    TaskCancelled,
    TaskHandle,
    WaitTimeout,
    Workflow,
    task,
)
from cloacina.execution.slots import SlotToken
from cloacina.execution.waiting.wait import Wait
from cloacina.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.integration.conftest import Until, UntilWait

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])

_HOUR = 3600.0


def _fail() -> bool:
    raise OSError("not reachable")


_EXITS: dict[str, tuple[Callable[[], bool], type[Exception] | None]] = {
    "return": (lambda: True, None),
    "timeout": (lambda: False, WaitTimeout),
    "error": (_fail, ConditionError),
}


@_BOTH_KINDS
@pytest.mark.parametrize("way", _EXITS)
async def test_every_exit_reclaims_the_slot_first(kind: str, way: str, until_wait: UntilWait) -> None:
    answer, error = _EXITS[way]
    clock = VirtualClock(auto=False)
    is_open = threading.Event()
    occupant_is_open, occupies = anyio.Event(), anyio.Event()
    seen: list[tuple[str, bool]] = []

    def condition() -> bool:
        return is_open.is_set() and answer()

    @task(id="wait")
    async def wait(context: Context, handle: TaskHandle) -> None:
        try:
            await handle.defer_until(condition, poll_interval_ms=1, timeout=_HOUR if way == "timeout" else None)
        except (WaitTimeout, ConditionError) as raised:
            seen.append((type(raised).__name__, handle.is_slot_held()))
        else:
            seen.append(("return", handle.is_slot_held()))

    @task(id="wait")
    def wait_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        try:
            handle.defer_until(condition, poll_interval_ms=1, timeout=_HOUR if way == "timeout" else None)
        except (WaitTimeout, ConditionError) as raised:
            seen.append((type(raised).__name__, handle.is_slot_held()))
        else:
            seen.append(("return", handle.is_slot_held()))

    @task
    async def occupy(context: Context) -> None:
        occupies.set()
        await occupant_is_open.wait()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=clock) as runner:
        waiting = await runner.submit(Workflow("waits", tasks=[wait if kind == "async def" else wait_blocking]))
        await until_wait(runner, waiting)
        await runner.submit(Workflow("occupies", tasks=[occupy]))
        await occupies.wait()
        is_open.set()
        await until_wait(runner, waiting, "resuming", meanwhile=lambda: clock.advance(_HOUR))
        assert seen == []
        occupant_is_open.set()
        (await waiting.wait()).raise_for_status()
    assert seen == [("return" if error is None else error.__name__, True)]


async def test_cancelled_code_in_finally_runs_without_a_slot_and_cannot_await(until_wait: UntilWait) -> None:
    seen: list[object] = []

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        try:
            await handle.defer_until(lambda: False, poll_interval_ms=1)
        finally:
            seen.append(handle.is_slot_held())
            try:
                await anyio.lowlevel.checkpoint()
                seen.append("awaited")
            except anyio.get_cancelled_exc_class():
                seen.append("cancelled again")
                raise
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.lowlevel.checkpoint()
                    seen.append("awaited in a shield")

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[wait]))
        await until_wait(runner, execution)
        assert await execution.cancel()
        result = await execution.wait()
    assert result.status == "Cancelled"
    assert seen == [False, "cancelled again", "awaited in a shield"]


async def test_a_blocking_task_learns_of_its_cancellation_at_its_next_handle_call(until: Until) -> None:
    is_running, was_cancelled = threading.Event(), threading.Event()
    seen: list[object] = []

    @task
    def work(context: Context, handle: BlockingTaskHandle) -> None:
        is_running.set()
        was_cancelled.wait(20)
        for call in (handle.is_slot_held, handle.task_execution_id, handle.yield_slot, handle.into_slot_token):
            with pytest.raises(TaskCancelled):
                call()
        try:
            handle.defer_until(lambda: True)
        except Exception:  # noqa: BLE001 - shows that it does not swallow a cancellation
            seen.append("swallowed")
        finally:
            seen.append("cleaned up")

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("works", tasks=[work]))
        await until(is_running.is_set)
        await execution.cancel()
        assert (await execution.wait()).status == "Cancelled"
        assert seen == []  # The execution has ended, the thread has not been told yet.
        was_cancelled.set()
        await until(lambda: seen)
    assert seen == ["cleaned up"]


async def test_a_cancelled_thread_keeps_its_slot_until_it_ends(until: Until) -> None:
    is_running, may_end = threading.Event(), threading.Event()
    journal: list[str] = []

    @task
    def work(context: Context) -> None:
        is_running.set()
        may_end.wait(20)
        journal.append("thread ends")

    @task
    def other(context: Context) -> None:
        journal.append("other runs")

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("works", tasks=[work]))
        await until(is_running.is_set)
        await execution.cancel()
        assert (await execution.wait()).status == "Cancelled"
        following = await runner.submit(Workflow("others", tasks=[other]))
        (record,) = await runner.tasks(following.id)
        assert record.status == "Ready"
        may_end.set()
        (await following.wait()).raise_for_status()
        types = [(event.type, event.slot) for event in await runner.events(execution.id) if event.task_id]
    assert journal == ["thread ends", "other runs"]
    assert types == [("task_started", 0), ("slot_kept", 0), ("task_cancelled", 0), ("slot_freed", 0)]


# ── A cancel scope of the body's own around a wait ───────────────────────────────────────────────────────────────────


Waiting: TypeAlias = "Callable[[TaskHandle, list[Callable[[], object]]], Awaitable[None]]"
"""Waits until what it puts into the list is called, which ends the scope around the wait."""


async def _wait_in_fail_after(handle: TaskHandle, ends: list[Callable[[], object]]) -> None:
    with pytest.raises(TimeoutError), anyio.fail_after(_HOUR) as scope:
        ends.append(lambda: setattr(scope, "deadline", anyio.current_time()))
        await handle.defer_until(lambda: False, poll_interval_ms=1)


async def _wait_in_move_on_after(handle: TaskHandle, ends: list[Callable[[], object]]) -> None:
    with anyio.move_on_after(_HOUR) as scope:
        ends.append(lambda: setattr(scope, "deadline", anyio.current_time()))
        await handle.defer_until(lambda: False, poll_interval_ms=1)
    assert scope.cancelled_caught


async def _wait_in_move_on_after_for_async(handle: TaskHandle, ends: list[Callable[[], object]]) -> None:
    calls: list[None] = []

    async def condition() -> None:
        calls.append(None)
        if len(calls) > 1:
            ends.append(lambda: setattr(scope, "deadline", anyio.current_time()))
            await anyio.sleep_forever()

    with anyio.move_on_after(_HOUR) as scope:
        await handle.defer_until(condition, poll_interval_ms=1)
    assert scope.cancelled_caught


async def _wait_in_group(handle: TaskHandle, ends: list[Callable[[], object]]) -> None:
    async def wait() -> None:
        await handle.defer_until(lambda: False, poll_interval_ms=1)

    may_fail = anyio.Event()
    with pytest.raises(ExceptionGroup):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            ends.append(may_fail.set)
            await may_fail.wait()
            raise ValueError("the sibling fails")


async def _wait_in_asyncio_timeout(handle: TaskHandle, ends: list[Callable[[], object]]) -> None:
    import asyncio

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(_HOUR) as scope:
            ends.append(lambda: scope.reschedule(asyncio.get_running_loop().time()))
            await handle.defer_until(lambda: False, poll_interval_ms=1)


@pytest.mark.parametrize(
    "waiting",
    [
        _wait_in_fail_after,
        _wait_in_move_on_after,
        _wait_in_move_on_after_for_async,
        _wait_in_group,
    ],
)
async def test_a_scope_of_the_body_s_own_ends_a_wait_and_the_slots_stay_right(waiting: Waiting, until: Until) -> None:
    await _slots_stay_right(waiting, until)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_asyncio_timeout_ends_a_wait_and_the_slots_stay_right(anyio_backend: str, until: Until) -> None:
    await _slots_stay_right(_wait_in_asyncio_timeout, until)


async def _slots_stay_right(waiting: Waiting, until: Until) -> None:
    is_open = threading.Event()
    ends: list[Callable[[], object]] = []

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        await waiting(handle, ends)
        held = [handle.is_slot_held()]
        await handle.defer_until(is_open.is_set, poll_interval_ms=1)  # Another wait is possible.
        context["held"] = [*held, handle.is_slot_held()]

    @task
    def open_gate(context: Context) -> None:
        is_open.set()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[wait]))
        # It gets the slot that the wait gives back.
        (await runner.execute(Workflow("opens", tasks=[open_gate]))).raise_for_status()
        await until(lambda: ends)
        ends[0]()
        result = (await execution.wait()).raise_for_status()
        waits = await runner.waits(execution.id)
    assert result.context == {"held": [True, True]}
    assert (waits[0].phase, waits[0].outcome) == ("ended", "cancelled")


async def test_cancelling_a_task_that_takes_its_slot_back_after_its_own_scope_ended_a_wait(
    until_wait: UntilWait,
) -> None:
    occupant_is_open, occupies = anyio.Event(), anyio.Event()
    seen: list[object] = []

    @task
    async def impatient(context: Context, handle: TaskHandle) -> None:
        try:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:

                    async def give_up() -> None:
                        await occupies.wait()
                        scope.cancel()

                    group.start_soon(give_up)
                    await handle.defer_until(lambda: False, poll_interval_ms=1)
            await anyio.lowlevel.checkpoint()
            seen.append("went on")
        finally:
            seen.append(handle.is_slot_held())

    @task
    async def occupy(context: Context) -> None:
        occupies.set()
        await occupant_is_open.wait()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        first = await runner.submit(Workflow("impatient", tasks=[impatient]))
        await until_wait(runner, first)
        second = await runner.submit(Workflow("occupies", tasks=[occupy]))
        await until_wait(runner, first, "resuming")
        await first.cancel()
        assert (await first.wait(timeout=20)).status == "Cancelled"
        assert not occupant_is_open.is_set()
        occupant_is_open.set()
        (await second.wait()).raise_for_status()
    assert seen == [False]


@pytest.mark.parametrize("step", ["wait", "yield"])
async def test_a_scope_that_was_cancelled_does_not_disturb_who_queues_to_go_on(
    step: str, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued: list[str] = []
    scopes: list[anyio.CancelScope] = []
    queue_again, reclaim = Wait._queue_again, SlotToken.reclaim

    async def note_wait(wait: Wait, token: SlotToken) -> None:
        queued.append("wait")
        await queue_again(wait, token)

    async def note_yield(token: SlotToken) -> None:
        queued.append("yield")
        await reclaim(token)

    monkeypatch.setattr(Wait, "_queue_again", note_wait)
    monkeypatch.setattr(SlotToken, "reclaim", note_yield)

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        await until(lambda: slots.queued)
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            if step == "wait":
                await handle.defer_until(lambda: False, poll_interval_ms=1)
            else:
                await handle.yield_slot()
        context["held"] = handle.is_slot_held()

    @task
    async def occupy(context: Context) -> None:
        scopes[0].cancel()
        await until(lambda: slots.queued)
        for _ in range(20):  # A cancellation that gets through comes again in each turn of the loop.
            await anyio.lowlevel.checkpoint()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        slots = runner._engine._resources.slots
        result = await runner.execute(Workflow("both", tasks=[wait, occupy]))
    assert result.raise_for_status().context == {"held": True}
    assert queued == [step]
