"""Promise 5: what is no condition is refused; what is no answer, and a job that was cancelled, fails the wait."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import threading
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from unittest.mock import AsyncMock, Mock

import anyio
import anyio.lowlevel
import pytest

from cloacina import AsyncRunner, BlockingTaskHandle, ConditionError, Context, InvalidWait, TaskHandle, Workflow, task
from cloacina.execution.waiting import wait as wait_module
from cloacina.execution.waiting.conditions import ConditionThreads
from cloacina.testing import FakeBlockingTaskHandle, FakeTaskHandle, VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from tests.integration.conftest import Until


def generates() -> Generator[bool]:
    yield False


async def generates_async() -> AsyncGenerator[bool]:
    yield False


def never() -> bool:
    return False


async def answers() -> bool:
    await anyio.lowlevel.checkpoint()
    return True


class Job:
    """What conditions are looked for in."""

    def generates(self) -> Generator[bool]:
        yield False


class CallableGenerator:
    def __call__(self) -> Generator[bool]:
        yield False


class Waits(Protocol):
    """Makes the same wait of several tasks: `async def` and `def`, for one condition and for several."""

    def __call__(self, condition: Any, other: Any = never, **options: Any) -> list[Callable[..., Any]]: ...


@pytest.fixture
def waits() -> Waits:
    def make(condition: Any, other: Any = never, **options: Any) -> list[Callable[..., Any]]:
        options = {"poll_interval_ms": 1, **options}
        several: Any = [other, condition]

        @task
        async def wait(context: Context, handle: TaskHandle) -> None:
            await handle.defer_until(condition, **options)

        @task
        async def wait_any(context: Context, handle: TaskHandle) -> None:
            await handle.wait_any(several, **options)

        @task
        def wait_blocking(context: Context, handle: BlockingTaskHandle) -> None:
            handle.defer_until(condition, **options)

        @task
        def wait_all_blocking(context: Context, handle: BlockingTaskHandle) -> None:
            handle.wait_all(several, **options)

        return [wait, wait_any, wait_blocking, wait_all_blocking]

    return make


class Array:
    """As of numpy: neither true nor false."""

    def __bool__(self) -> bool:
        raise ValueError("the truth of an array is ambiguous")


class Unawaitable:
    def __await__(self) -> Generator[Any, Any, bool]:
        raise ConnectionError("cannot be awaited")


class Hidden:
    """Its kind cannot be told."""

    @property
    def __class__(self) -> Any:
        raise AttributeError("it has none")

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise AttributeError("it has none")


async def unawaited() -> Any:
    return answers()


async def array() -> Array:
    return Array()


async def returns_generator() -> Any:
    return generates()


@pytest.mark.parametrize(
    ("condition", "mend"),
    [
        (generates, "is a generator function, and a generator is always true; write `return` in place of `yield`"),
        (generates_async, "write `return` in place of `yield`"),
        (partial(generates), "write `return` in place of `yield`"),
        (Job().generates, "Job.generates is a generator function"),
        (CallableGenerator(), "write `return` in place of `yield`"),
        (Job, "Job is a class whose objects are always true"),
        (threading.Event(), "pass its method is_set, without calling it"),
        (anyio.Event(), "pass its method is_set, without calling it"),
        (concurrent.futures.Future(), "pass its method done, without calling it"),
        (Unawaitable(), "pass a function that returns one"),
        (True, "path.exists, not path.exists()"),
        (None, "a wait needs a function to call, such as path.exists; got None"),
        (Array(), "a wait needs a function to call"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_what_is_no_condition_is_refused_at_the_call(condition: Any, mend: str, waits: Waits) -> None:
    async with AsyncRunner("sqlite://") as runner:
        for refused in waits(condition, tolerate_errors=3):
            result = await runner.execute(Workflow("waits", tasks=[refused]))
            assert result.error is not None
            assert result.error.code == InvalidWait.code
            assert mend in result.error.message
            assert await runner.waits(result.id) == []


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        (lambda: generates(), "returned a generator, which is true whatever comes of it; write `return`"),
        (lambda: generates_async(), "returned an async generator, which"),
        (returns_generator, "returned a generator, which"),
        (lambda: concurrent.futures.Future[bool](), "keep the future, and return `future.done()`"),
        (unawaited, "returned a coroutine that it did not await, which is true whatever comes of it; write `await`"),
        (lambda: unawaited(), "returned a coroutine that it did not await"),
    ],
    ids=["generator", "async generator", "awaited", "future", "coroutine", "awaited coroutine"],
)
async def test_what_is_no_answer_fails_the_wait_at_once(condition: Callable[[], Any], says: str, waits: Waits) -> None:
    async with AsyncRunner("sqlite://") as runner:
        for refused in waits(condition, _cancelled_in_a_thread, tolerate_errors=3):
            result = await runner.execute(Workflow("waits", tasks=[refused]))
            assert result.error is not None
            assert result.error.code == ConditionError.code
            assert says in result.error.message
            assert await runner.waits(result.id) == []
    with pytest.raises(ConditionError, match=says.split(",", maxsplit=1)[0]):
        FakeBlockingTaskHandle().defer_until(condition, tolerate_errors=3)
    with pytest.raises(ConditionError, match=says.split(",", maxsplit=1)[0]):
        await FakeTaskHandle().defer_until(condition, tolerate_errors=3)


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        (lambda: Array(), "ValueError: the truth of an array is ambiguous"),
        (array, "ValueError: the truth of an array is ambiguous"),
        (lambda: Unawaitable(), "ConnectionError: cannot be awaited"),
        (lambda: Hidden(), "AttributeError: it has none"),
        (Mock(side_effect=OSError("mocked")), "OSError: mocked"),
        (AsyncMock(side_effect=OSError("mocked")), "OSError: mocked"),
    ],
    ids=["truth", "awaited truth", "await", "class", "mock", "async mock"],
)
async def test_an_answer_that_cannot_be_judged_is_an_error_of_the_condition(
    condition: Callable[[], Any], says: str, waits: Waits
) -> None:
    async with AsyncRunner("sqlite://") as runner:
        for wait in waits(condition, tolerate_errors=1):
            result = await runner.execute(Workflow("waits", tasks=[wait]))
            assert result.error is not None
            assert result.error.code == ConditionError.code
            assert f"{says}, the last of 2 errors in a row" in result.error.message


async def _cancelled_task() -> bool:
    job = asyncio.get_running_loop().create_task(asyncio.sleep(3_600))
    await asyncio.sleep(0)
    job.cancel()
    await job
    return True


def _cancelled_future() -> Any:
    job = asyncio.get_running_loop().create_future()
    job.cancel()
    return job


async def _awaits_cancelled_future() -> Any:
    return await _cancelled_future()


async def _raises_it() -> bool:
    raise asyncio.CancelledError


def _cancelled_in_a_thread() -> bool:
    job = concurrent.futures.Future[bool]()
    job.cancel()
    return job.result()


def _raises_it_in_a_thread() -> bool:
    raise asyncio.CancelledError


_ON_BOTH = [_raises_it, lambda: _raises_it(), _cancelled_in_a_thread, _raises_it_in_a_thread]
_ON_ASYNCIO = [_cancelled_task, _awaits_cancelled_future]


@pytest.mark.parametrize("condition", [*_ON_BOTH, *_ON_ASYNCIO])
async def test_a_job_that_was_cancelled_is_an_error_of_the_condition_that_waits_for_it(
    condition: Callable[[], Any], waits: Waits, anyio_backend: str
) -> None:
    if condition in _ON_ASYNCIO and anyio_backend != "asyncio":
        condition = _raises_it
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        slots = runner._engine._resources.slots
        for wait in waits(condition, tolerate_errors=1):
            result = await runner.execute(Workflow("waits", tasks=[wait]))
            assert result.status == "Failed"
            assert result.error is not None
            assert result.error.code == ConditionError.code
            assert "CancelledError, the last of 2 errors in a row" in result.error.message
            assert "CancelledError" in result.error.traceback
            assert (slots.available, slots.queued) == (1, 0)


@pytest.mark.parametrize("method", ["defer_until", "wait_any"])
@pytest.mark.parametrize("how", ["the task", "its job too", "a scope", "the execution"])
async def test_the_cancellation_of_the_one_who_waits_is_none_of_the_condition(
    how: str, method: str, anyio_backend: str
) -> None:
    if anyio_backend != "asyncio" and how in {"the task", "its job too"}:
        how = "a scope"
    is_asked, hangs = anyio.Event(), anyio.Event()
    seen: list[str] = []

    async def condition() -> bool:
        is_asked.set()
        if anyio_backend == "asyncio":
            await asyncio.get_running_loop().create_task(hangs.wait())
        await hangs.wait()
        return True

    async def wait_here(handle: TaskHandle) -> None:
        argument: Any = condition if method == "defer_until" else [condition]
        try:
            await getattr(handle, method)(argument, tolerate_errors=99)
        except ConditionError:
            seen.append("an error")
        except anyio.get_cancelled_exc_class():
            seen.append("cancelled")
            raise

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        if how in {"the task", "its job too"}:
            waiting = asyncio.create_task(wait_here(handle))
            await is_asked.wait()
            await anyio.wait_all_tasks_blocked()
            for other in asyncio.all_tasks() if how == "its job too" else []:
                if other.get_coro().__qualname__ == "Event.wait":  # type: ignore[union-attr]
                    other.cancel()
            waiting.cancel()
            await asyncio.wait([waiting])
        else:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(wait_here, handle)
                    await is_asked.wait()
                    if how == "a scope":
                        scope.cancel()
        seen.append(f"goes on, {handle.is_slot_held()}")

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[wait]))
        if how == "the execution":
            await is_asked.wait()
            await execution.cancel()
        result = await execution.wait()
    if how == "the execution":
        assert (result.status, seen) == ("Cancelled", ["cancelled"])
    else:
        assert (result.status, seen) == ("Completed", ["cancelled", "goes on, True"])


@pytest.mark.parametrize("method", ["defer_until", "wait_any"])
@pytest.mark.parametrize("end", ["time", "cancellation", "cancellation in the same moment"])
async def test_a_coroutine_that_comes_too_late_is_closed(
    end: str, method: str, until: Until, anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_called, may_return = threading.Event(), threading.Event()
    returned: list[Any] = []
    cancel: list[Callable[[], object]] = []

    def condition() -> Any:
        is_called.set()
        may_return.wait(60)
        returned.append(answers())
        return returned[0]

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        argument: Any = condition if method == "defer_until" else [condition]
        waiting = getattr(handle, method)(argument, timeout=0 if end == "time" else None, default="late")
        if anyio_backend != "asyncio":
            with anyio.CancelScope() as scope:
                cancel.append(scope.cancel)
                await waiting
        else:
            job = asyncio.get_running_loop().create_task(waiting)
            cancel.append(job.cancel)
            await asyncio.wait([job])

    deliver = ConditionThreads._deliver

    def deliver_and_cancel(threads: ConditionThreads) -> None:
        deliver(threads)
        if returned and end == "cancellation in the same moment":
            cancel[0]()

    clock = VirtualClock(auto=False)
    monkeypatch.setattr(ConditionThreads, "_deliver", deliver_and_cancel)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with AsyncRunner("sqlite://", clock=clock) as runner:
            execution = await runner.submit(Workflow("waits", tasks=[wait]))
            await until(is_called.is_set)
            clock.advance(wait_module.LAST_CALL_SECONDS)
            if end == "cancellation":
                cancel[0]()
            if end != "cancellation in the same moment":
                await execution.wait()
            may_return.set()
            await until(lambda: returned and inspect.getcoroutinestate(returned[0]) == inspect.CORO_CLOSED)
            await execution.wait()
