"""Promise 7: the time a wait may take, and the time a task may hold a slot."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    Context,
    RetryPolicy,
    TaskCancelled,
    TaskHandle,
    TaskTimeout,
    WaitTimeout,
    Workflow,
    task,
)
from cloacina.execution.waiting import wait as wait_module
from cloacina.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import Deferring, Until, UntilWait

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])

_SHORT = 0.01
_HOUR = timedelta(hours=1)
_HOUR_MS = 3_600_000


@_BOTH_KINDS
@pytest.mark.parametrize("limit", ["seconds", "timedelta", "deadline"])
async def test_a_wait_that_takes_too_long_raises(kind: str, limit: str, deferring: Deferring) -> None:
    clock = VirtualClock()
    limits: dict[str, dict[str, Any]] = {
        "seconds": {"timeout": 3600},
        "timedelta": {"timeout": _HOUR},
        "deadline": {"deadline": clock.now() + _HOUR},
    }
    waiting = deferring(kind, "wait", lambda: False, poll_interval_ms=_HOUR_MS * 5 // 8, **limits[limit])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=clock) as runner:
        result = await runner.execute(Workflow("waits", tasks=[waiting]))
        (record,) = await runner.waits(result.id)
    assert result.error is not None
    assert (result.error.task_id, result.error.code) == ("wait", WaitTimeout.code)
    assert (record.outcome, record.deadline, clock.elapsed) == ("timeout", clock.now(), _HOUR)


@_BOTH_KINDS
async def test_default_is_returned_instead_of_raising(kind: str, deferring: Deferring) -> None:
    workflow = Workflow("waits", tasks=[deferring(kind, "wait", lambda: False, timeout=_SHORT, default="nothing came")])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = (await runner.execute(workflow)).raise_for_status()
    assert result.context == {"wait": "nothing came"}


@_BOTH_KINDS
async def test_none_is_a_default_too(kind: str, deferring: Deferring) -> None:
    workflow = Workflow("waits", tasks=[deferring(kind, "wait", lambda: False, timeout=0, default=None)])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = (await runner.execute(workflow)).raise_for_status()
    assert result.context == {"wait": None}


@_BOTH_KINDS
@pytest.mark.parametrize("is_met", [True, False])
async def test_no_time_at_all_asks_once_and_releases_nothing(kind: str, is_met: bool, deferring: Deferring) -> None:
    calls: list[int] = []

    def condition() -> bool:
        calls.append(1)
        return is_met

    workflow = Workflow("waits", tasks=[deferring(kind, "wait", condition, timeout=0, default="no")])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=VirtualClock()) as runner:
        result = (await runner.execute(workflow)).raise_for_status()
        assert await runner.waits(result.id) == []
    assert result.context == {"wait": True if is_met else "no"}
    assert calls == [1]


@_BOTH_KINDS
async def test_a_deadline_that_has_passed_asks_once(kind: str, deferring: Deferring) -> None:
    clock = VirtualClock()
    workflow = Workflow("waits", tasks=[deferring(kind, "wait", lambda: "there", deadline=clock.now() - _HOUR)])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=clock) as runner:
        result = (await runner.execute(workflow)).raise_for_status()
    assert result.context == {"wait": "there"}


@_BOTH_KINDS
@pytest.mark.parametrize("is_async", [False, True])
async def test_the_condition_is_called_a_last_time_when_the_time_is_up(
    kind: str, is_async: bool, deferring: Deferring
) -> None:
    calls: list[int] = []

    def condition() -> str | None:
        calls.append(1)
        return "just in time" if len(calls) == 2 else None

    async def condition_async() -> str | None:
        return condition()

    options: dict[str, Any] = {"poll_interval_ms": 2 * _HOUR_MS, "timeout": _HOUR}
    waiting = deferring(kind, "wait", condition_async if is_async else condition, **options)
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=VirtualClock()) as runner:
        result = (await runner.execute(Workflow("waits", tasks=[waiting]))).raise_for_status()
    assert result.context == {"wait": "just in time"}
    assert len(calls) == 2


@_BOTH_KINDS
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_condition_that_hangs_does_not_hold_up_the_end_of_the_time(
    kind: str, is_async: bool, deferring: Deferring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait_module, "LAST_CALL_SECONDS", _SHORT)
    may_return = threading.Event()
    calls: list[int] = []

    def condition() -> bool:
        calls.append(1)
        return len(calls) > 1 and may_return.wait(20)

    async def condition_async() -> bool:
        calls.append(1)
        if len(calls) > 1:
            await anyio.sleep_forever()
        return False

    waiting = deferring(kind, "wait", condition_async if is_async else condition, timeout=_SHORT, default="gave up")
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = (await runner.execute(Workflow("waits", tasks=[waiting]))).raise_for_status()
        may_return.set()
    assert result.context == {"wait": "gave up"}


@_BOTH_KINDS
async def test_the_timeout_of_a_wait_does_not_bound_the_queueing_after_it(
    kind: str, deferring: Deferring, until_wait: UntilWait
) -> None:
    clock = VirtualClock(auto=False)
    is_open = threading.Event()
    occupant_is_open, occupies = anyio.Event(), anyio.Event()

    @task
    async def occupy(context: Context) -> None:
        occupies.set()
        await occupant_is_open.wait()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=clock) as runner:
        waiting = await runner.submit(Workflow("waits", tasks=[deferring(kind, "wait", is_open.is_set, timeout=_HOUR)]))
        await runner.submit(Workflow("occupies", tasks=[occupy]))
        await occupies.wait()
        is_open.set()
        await until_wait(runner, waiting, "resuming", meanwhile=lambda: clock.advance(0.001))
        clock.advance(2 * _HOUR)
        (record,) = await runner.waits(waiting.id)
        assert record.phase == "resuming"
        occupant_is_open.set()
        result = (await waiting.wait()).raise_for_status()
    assert result.context == {"wait": True}


@_BOTH_KINDS
async def test_the_timeout_of_a_task_counts_no_waits(kind: str) -> None:
    clock = VirtualClock()

    def once_more() -> Any:
        opens_at = clock.elapsed + _HOUR
        return lambda: clock.elapsed >= opens_at

    @task(id="wait", timeout=_HOUR)
    async def wait(context: Context, handle: TaskHandle) -> None:
        for _ in range(3):
            await handle.defer_until(once_more(), poll_interval_ms=_HOUR_MS)

    @task(id="wait", timeout=_HOUR)
    def wait_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        for _ in range(3):
            handle.defer_until(once_more(), poll_interval_ms=_HOUR_MS)

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=clock) as runner:
        result = await runner.execute(Workflow("waits", tasks=[wait if kind == "async def" else wait_blocking]))
    result.raise_for_status()
    assert clock.elapsed == 3 * _HOUR


async def test_an_async_task_that_holds_its_slot_too_long_is_cancelled_and_fails() -> None:
    clock = VirtualClock()
    seen: list[str] = []

    @task(timeout=_HOUR)
    async def slow(context: Context) -> None:
        context["half"] = True
        clock.advance(_HOUR)
        try:
            await anyio.sleep_forever()
        finally:
            seen.append("cleaned up")

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=clock) as runner:
        result = await runner.execute(Workflow("slow", tasks=[slow]))
    assert seen == ["cleaned up"]
    assert result.error is not None
    assert (result.error.task_id, result.error.code) == ("slow", TaskTimeout.code)
    assert result.context == {}


@_BOTH_KINDS
@pytest.mark.parametrize("ends_with", ["return", "error", "defer_until", "yield_slot"])
async def test_a_body_that_no_timer_could_interrupt_is_out_of_time_where_its_stretch_ends(
    kind: str, ends_with: str
) -> None:
    clock = VirtualClock()
    journal: list[str] = []

    @task(id="block", timeout=_HOUR)
    async def block(context: Context, handle: TaskHandle) -> None:
        context["half"] = True
        clock.advance(2 * _HOUR)  # As a request that is not awaited: the loop gets no turn meanwhile.
        if ends_with == "error":
            raise ValueError
        if ends_with == "return":
            return
        await (handle.yield_slot() if ends_with == "yield_slot" else handle.defer_until(lambda: True))
        journal.append("goes on")

    @task(id="block", timeout=_HOUR)
    def block_thread(context: Context, handle: BlockingTaskHandle) -> None:
        context["half"] = True
        clock.advance(2 * _HOUR)
        if ends_with == "error":
            raise ValueError
        if ends_with == "return":
            return
        if ends_with == "yield_slot":
            handle.yield_slot()
        else:
            handle.defer_until(lambda: True)
        journal.append("goes on")

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=clock) as runner:
        result = await runner.execute(Workflow("blocks", tasks=[block if kind == "async def" else block_thread]))
        assert await runner.waits(result.id) == []
    assert result.error is not None
    assert (result.error.task_id, result.error.code) == ("block", TaskTimeout.code)
    assert (result.context, journal) == ({}, [])


@_BOTH_KINDS
@pytest.mark.parametrize(("minutes", "code"), [(29, None), (31, TaskTimeout.code)], ids=["less", "more"])
async def test_the_timeout_of_a_task_is_one_budget_for_all_its_stretches(
    kind: str, minutes: int, code: str | None
) -> None:
    clock = VirtualClock()

    def at_the_second_call() -> Callable[[], int | None]:
        answers = iter([None, True])
        return lambda: next(answers)

    @task(id="stretches", timeout=_HOUR)
    async def stretches(context: Context, handle: TaskHandle) -> None:
        clock.advance(timedelta(minutes=minutes))
        await handle.defer_until(at_the_second_call(), poll_interval_ms=_HOUR_MS)
        clock.advance(timedelta(minutes=minutes))

    @task(id="stretches", timeout=_HOUR)
    def stretches_in_thread(context: Context, handle: BlockingTaskHandle) -> None:
        clock.advance(timedelta(minutes=minutes))
        handle.defer_until(at_the_second_call(), poll_interval_ms=_HOUR_MS)
        clock.advance(timedelta(minutes=minutes))

    workflow = Workflow("budget", tasks=[stretches if kind == "async def" else stretches_in_thread])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=clock) as runner:
        result = await runner.execute(workflow)
    assert (result.error.code if result.error else None) == code


async def test_a_timeout_that_passes_before_the_body_has_begun_counts() -> None:
    @task(timeout=1e-9)
    async def slow(context: Context) -> None:
        await anyio.sleep_forever()

    @task
    def stall(context: Context) -> None:
        pass

    # Many tasks begin in the same turn of the loop, so that the timers fire between the grant and the first step.
    workflow = Workflow("slow", tasks=[slow, stall])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=200) as runner:
        executions = await runner.submit_many(workflow, [None] * 100)
        results = [await execution.wait(timeout=20) for execution in executions]
    assert {result.error.code if result.error else None for result in results} == {TaskTimeout.code}


async def test_the_next_attempt_starts_anew_after_a_timeout() -> None:
    clock = VirtualClock()
    attempts: list[int] = []

    @task(timeout=_HOUR, retry=RetryPolicy(attempts=2, delay=0))
    async def slow_once(context: Context, handle: TaskHandle) -> None:
        attempts.append(handle.attempt)
        clock.advance(_HOUR / handle.attempt)
        if handle.attempt == 1:
            await anyio.sleep_forever()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=clock) as runner:
        result = (await runner.execute(Workflow("slow", tasks=[slow_once]))).raise_for_status()
    assert attempts == [1, 2]
    assert result.tasks["slow_once"].attempt == 2


async def test_timed_out_thread_keeps_its_slot_until_it_ends(until: Until) -> None:
    clock = VirtualClock()
    may_end = threading.Event()
    journal: list[str] = []

    @task(timeout=_HOUR)
    def slow(context: Context) -> None:
        clock.advance(_HOUR)
        may_end.wait(20)
        journal.append("thread ends")

    @task
    def other(context: Context) -> None:
        journal.append("other runs")

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=clock) as runner:
        # After the last attempt the task is Failed at once, though its thread goes on.
        result = await runner.execute(Workflow("slow", tasks=[slow]))
        assert result.error is not None
        assert result.error.code == TaskTimeout.code
        assert journal == []
        following = await runner.submit(Workflow("others", tasks=[other]))
        (record,) = await runner.tasks(following.id)
        assert record.status == "Ready"
        may_end.set()
        (await following.wait()).raise_for_status()
        types = [event.type for event in await runner.events(result.id) if event.task_id]
    assert journal == ["thread ends", "other runs"]
    assert types == ["task_started", "slot_kept", "task_failed", "slot_freed"]


async def test_the_next_attempt_starts_after_the_timed_out_thread_has_ended(until: Until) -> None:
    clock = VirtualClock()
    may_end, was_told = threading.Event(), threading.Event()
    journal: list[str] = []

    @task(timeout=_HOUR, retry=RetryPolicy(attempts=2, delay=0))
    def slow_once(context: Context, handle: BlockingTaskHandle) -> None:
        journal.append(f"attempt {handle.attempt} starts")
        if handle.attempt == 1:
            context["half"] = True
            clock.advance(_HOUR)
            try:
                while True:
                    handle.is_slot_held()
            except TaskCancelled:
                was_told.set()
            may_end.wait(20)
            journal.append("attempt 1 ends")

    async with AsyncRunner("sqlite://", max_concurrent_tasks=2, clock=clock) as runner:
        execution = await runner.submit(Workflow("slow", tasks=[slow_once]))
        await until(was_told.is_set)
        (record,) = await runner.tasks(execution.id)
        assert (record.status, record.attempt) == ("Running", 1)
        may_end.set()
        result = (await execution.wait()).raise_for_status()
    assert journal == ["attempt 1 starts", "attempt 1 ends", "attempt 2 starts"]
    assert result.context == {}


async def test_a_late_write_of_a_timed_out_thread_is_refused(until: Until) -> None:
    clock = VirtualClock()
    may_write = threading.Event()
    raised: list[str] = []

    @task(timeout=_HOUR)
    def slow(context: Context) -> None:
        clock.advance(_HOUR)
        may_write.wait(20)
        try:
            context["late"] = True
        except Exception as error:  # noqa: BLE001 - its type is what is asserted
            raised.append(type(error).__name__)

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=clock) as runner:
        result = await runner.execute(Workflow("slow", tasks=[slow]))
        may_write.set()
        await until(lambda: raised)
    assert raised == ["ContextSealed"]
    assert result.context == {}


async def test_whether_a_timed_out_attempt_is_the_last_is_decided_once(until: Until) -> None:
    clock = VirtualClock()
    may_end = threading.Event()
    answers = iter([False, True])
    starts: list[int] = []

    @task(timeout=_HOUR, retry=RetryPolicy(attempts=2, delay=0, retry_on=lambda error: next(answers)))
    def slow(context: Context) -> None:
        starts.append(1)
        clock.advance(_HOUR)
        may_end.wait(20)

    async with AsyncRunner("sqlite://", max_concurrent_tasks=2, clock=clock) as runner:
        result = await runner.execute(Workflow("slow", tasks=[slow]))
        may_end.set()
    assert (result.status, starts) == ("Failed", [1])
