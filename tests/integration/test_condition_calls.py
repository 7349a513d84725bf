"""When a condition is called: in which order, never beside itself, and never after the end of its wait."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cloacina import AsyncRunner, ConditionError, Context, TaskHandle, Workflow, task
from cloacina.execution.waiting import conditions
from cloacina.store import queries
from cloacina.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.conftest import Deferring, Until, UntilWait

_HOUR_MS = 3_600_000
_NEVER = 3_600.0

_both_kinds = pytest.mark.parametrize("kind", ["async def", "def"])
_sync_and_async = pytest.mark.parametrize("is_async", [False, True])


@pytest.fixture
def hold() -> Iterator[threading.Event]:
    """Return what conditions hang on, until the test is over at the latest."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def clock() -> VirtualClock:
    """Return a clock that moves by hand."""
    return VirtualClock(auto=False)


def noting(calls: list[str], name: str, is_async: bool = False) -> Callable[[], Any]:
    """Return a condition that never holds, and notes its calls."""

    def condition() -> bool:
        calls.append(name)
        return False

    async def condition_async() -> bool:
        return condition()

    return condition_async if is_async else condition


@pytest.mark.parametrize("method", ["defer_until", "wait_any"])
async def test_first_and_last_calls_come_before_polls(
    method: str,
    clock: VirtualClock,
    hold: threading.Event,
    deferring: Deferring,
    until: Until,
    until_wait: UntilWait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conditions, "_MAX_THREADS", 1)
    calls: list[str] = []

    def waiting(name: str, **options: Any) -> Workflow:
        @task
        async def wait(context: Context, handle: TaskHandle) -> None:
            condition: Any = noting(calls, name)
            await getattr(handle, method)(condition if method == "defer_until" else [condition], **options)

        return Workflow(name, tasks=[wait])

    async with AsyncRunner("sqlite://", clock=clock) as runner:
        resources = runner._engine._resources
        polls = await runner.submit(waiting("poll", poll_interval_ms=60_000))
        ends = await runner.submit(waiting("last", poll_interval_ms=_HOUR_MS, timeout=61, default=None))
        for execution in (polls, ends):
            await until_wait(runner, execution)
        blocks = await runner.submit(Workflow("blocks", tasks=[deferring("async def", "wait", hold.wait)]))
        await until(lambda: resources.conditions.outstanding == 1)
        calls.clear()
        clock.advance(62)
        await until(lambda: resources.conditions.outstanding == 3)
        begins = await runner.submit(waiting("first", poll_interval_ms=_HOUR_MS))
        await until(lambda: resources.conditions.outstanding == 4)
        hold.set()
        await until(lambda: len(calls) == 3)
        assert calls == ["last", "first", "poll"]
        for execution in (polls, begins):
            await execution.cancel()
        for execution in (ends, blocks):
            (await execution.wait()).raise_for_status()


@_both_kinds
@_sync_and_async
async def test_a_poll_is_never_called_beside_the_last_call(
    kind: str, is_async: bool, clock: VirtualClock, hold: threading.Event, deferring: Deferring, until: Until,
    until_wait: UntilWait,
) -> None:  # fmt: skip
    inside: list[int] = []
    calls: list[int] = []
    may_return = anyio.Event()

    def begin() -> bool:
        inside.append(1)
        calls.append(len(inside))
        return len(calls) == 2

    def condition() -> bool:
        if begin():
            hold.wait(60)
        inside.pop()
        return False

    async def condition_async() -> bool:
        if begin():
            await may_return.wait()
        inside.pop()
        return False

    # The next poll would be due while the last call is out.
    options: dict[str, Any] = {"poll_interval_ms": 10_200, "timeout": 10, "default": "late"}
    waiting = deferring(kind, "wait", condition_async if is_async else condition, **options)
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[waiting]))
        await until_wait(runner, execution)
        clock.advance(10.1)
        await until(lambda: len(calls) == 2)
        clock.advance(0.3)
        await runner.waits()  # The timers have fired meanwhile.
        hold.set()
        may_return.set()
        assert (await execution.wait()).context == {"wait": "late"}
    assert calls == [1, 1]


@_both_kinds
@_sync_and_async
@pytest.mark.parametrize("end", ["timeout", "error", "cancellation"])
async def test_no_condition_is_called_after_the_end_of_its_wait(
    end: str, kind: str, is_async: bool, clock: VirtualClock, deferring: Deferring, until_wait: UntilWait
) -> None:
    calls: list[str] = []

    def condition() -> bool:
        calls.append("call")
        if end == "error" and len(calls) == 2:
            raise OSError("not reachable")
        return False

    async def condition_async() -> bool:
        return condition()

    options: dict[str, Any] = {"poll_interval_ms": 60_000, "timeout": 90 if end == "timeout" else 5_400}
    waiting = deferring(kind, "wait", condition_async if is_async else condition, **options)
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[waiting]))
        await until_wait(runner, execution)
        if end == "cancellation":
            await execution.cancel()
        else:
            clock.advance(61)
            await clock.settled()
            clock.advance(30)
        await execution.wait()
        made = len(calls)
        assert len(runner._engine._resources.timers) <= 1  # what stores the counts of polls
        for _ in range(3):
            clock.advance(3_600)
            await clock.settled()
        assert len(calls) == made


async def test_a_condition_in_line_is_not_called_when_its_wait_has_ended(
    hold: threading.Event, deferring: Deferring, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "_MAX_THREADS", 1)
    calls: list[str] = []

    @task
    async def wait_for_several(context: Context, handle: TaskHandle) -> None:
        await handle.wait_any([noting(calls, "of several")])

    async with AsyncRunner("sqlite://") as runner:
        resources = runner._engine._resources
        blocks = await runner.submit(Workflow("blocks", tasks=[deferring("async def", "wait", hold.wait)]))
        await until(lambda: resources.conditions.outstanding == 1)
        in_line = [
            await runner.submit(Workflow("waits", tasks=[waiting]))
            for waiting in (deferring("async def", "wait", noting(calls, "one")), wait_for_several)
        ]
        await until(lambda: resources.conditions.outstanding == 3)
        for execution in in_line:
            await execution.cancel()
            await execution.wait()
        hold.set()
        (await blocks.wait()).raise_for_status()
        await until(lambda: resources.conditions.outstanding == 0)
    assert calls == []


@_both_kinds
@_sync_and_async
async def test_a_last_call_has_a_second_to_answer(
    kind: str, is_async: bool, clock: VirtualClock, hold: threading.Event, deferring: Deferring, until: Until,
    until_wait: UntilWait,
) -> None:  # fmt: skip
    calls: list[int] = []

    def condition() -> bool:
        calls.append(1)
        return len(calls) == 2 and hold.wait(60)

    async def condition_async() -> bool:
        calls.append(1)
        if len(calls) == 2:
            await anyio.sleep_forever()
        return False

    options: dict[str, Any] = {"poll_interval_ms": _HOUR_MS, "timeout": 60, "default": "late"}
    waiting = deferring(kind, "wait", condition_async if is_async else condition, **options)
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[waiting]))
        await until_wait(runner, execution)
        clock.advance(60.1)
        await until(lambda: len(calls) == 2)
        clock.advance(0.9)
        assert (await runner.tasks(execution.id))[0].sub_status == "Deferred"
        assert (await runner.waits(execution.id))[0].phase == "waiting"
        clock.advance(0.2)
        assert (await execution.wait()).context == {"wait": "late"}


@_both_kinds
@_sync_and_async
async def test_a_tolerated_error_is_stored_at_once(
    kind: str, is_async: bool, clock: VirtualClock, deferring: Deferring, until: Until, until_wait: UntilWait
) -> None:
    raises = iter([False, True])

    def condition() -> bool:
        if next(raises):
            raise OSError("not reachable")
        return False

    async def condition_async() -> bool:
        return condition()

    waiting = deferring(
        kind, "wait", condition_async if is_async else condition, poll_interval_ms=1_000, tolerate_errors=1
    )
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[waiting]))
        await until_wait(runner, execution)
        clock.advance(1.1)  # Counts of polls are stored after five seconds.

        async def is_stored() -> bool:
            (stored,) = await runner._engine.read(queries.waits, execution.id)
            return (stored.errors, stored.last_error) == (1, "OSError: not reachable")

        await until(is_stored)
        await execution.cancel()


@_both_kinds
async def test_without_a_thread_for_conditions_the_wait_fails_and_nothing_else(
    kind: str, deferring: Deferring, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "cloacina-conditions":
            message = "can't start new thread"
            raise RuntimeError(message)
        start(thread)

    async with AsyncRunner("sqlite://") as runner:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            result = await runner.execute(Workflow("waits", tasks=[deferring(kind, "wait", bool)]))
        assert result.error is not None
        assert result.error.code == ConditionError.code
        assert "ThreadUnavailable: a condition needs a thread" in result.error.message
        assert "can't start new thread" in result.error.message
        waiting = deferring(kind, "wait", lambda: True)
        (await runner.execute(Workflow("waits", tasks=[waiting]))).raise_for_status()


async def test_the_threads_of_conditions_end_when_the_runner_is_left(deferring: Deferring, until: Until) -> None:
    async with AsyncRunner("sqlite://") as runner:
        (await runner.execute(Workflow("waits", tasks=[deferring("def", "wait", lambda: True)]))).raise_for_status()
    await until(lambda: not [thread for thread in threading.enumerate() if thread.name == "cloacina-conditions"])
