"""Promise 5: what a condition may be, what it returns, and what becomes of its errors."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    ConditionError,
    Context,
    InvalidWait,
    TaskHandle,
    Workflow,
    task,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import Deferring, Until

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])


class _Countdown:
    """Is met by the third call; in many shapes."""

    def __init__(self) -> None:
        self.calls = 0

    def check(self) -> str | None:
        self.calls += 1
        return f"call {self.calls}" if self.calls >= 3 else None

    async def check_async(self) -> str | None:
        await anyio.lowlevel.checkpoint()
        return self.check()

    def plain(self) -> Callable[[], Any]:
        def condition() -> str | None:
            return self.check()

        return condition

    def asynchronous(self) -> Callable[[], Any]:
        async def condition() -> str | None:
            return await self.check_async()

        return condition

    def returning_a_coroutine(self) -> Callable[[], Any]:
        return lambda: self.check_async()

    def callable_object(self) -> Callable[[], Any]:
        countdown = self

        class Condition:
            def __call__(self) -> str | None:
                return countdown.check()

        return Condition()

    def async_callable_object(self) -> Callable[[], Any]:
        countdown = self

        class Condition:
            async def __call__(self) -> str | None:
                return await countdown.check_async()

        return Condition()

    def partial_of_def(self) -> Callable[[], Any]:
        def condition(suffix: str) -> str | None:
            found = self.check()
            return found and found + suffix

        return partial(condition, "")

    def partial_of_async_def(self) -> Callable[[], Any]:
        async def condition(suffix: str) -> str | None:
            found = await self.check_async()
            return found and found + suffix

        return partial(condition, "")

    def bound_method(self) -> Callable[[], Any]:
        return self.check

    def async_bound_method(self) -> Callable[[], Any]:
        return self.check_async


_SHAPES = [
    _Countdown.plain,
    _Countdown.asynchronous,
    _Countdown.returning_a_coroutine,
    _Countdown.callable_object,
    _Countdown.async_callable_object,
    _Countdown.partial_of_def,
    _Countdown.partial_of_async_def,
    _Countdown.bound_method,
    _Countdown.async_bound_method,
]


@_BOTH_KINDS
@pytest.mark.parametrize("shape", _SHAPES, ids=lambda shape: shape.__name__)
async def test_a_condition_of_any_shape_is_called_until_it_holds(
    kind: str, shape: Callable[[_Countdown], Callable[[], Any]], deferring: Deferring
) -> None:
    countdown = _Countdown()
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = await runner.execute(Workflow("waits", tasks=[deferring(kind, "wait", shape(countdown))]))
    assert result.raise_for_status().context == {"wait": "call 3"}
    assert countdown.calls == 3


@_BOTH_KINDS
@pytest.mark.parametrize("library", ["anyio", "pathlib"])
async def test_the_existence_of_a_path_is_a_condition(
    kind: str, library: str, deferring: Deferring, tmp_path: Path
) -> None:
    path = tmp_path / "export.csv"
    condition = anyio.Path(path).exists if library == "anyio" else path.exists

    @task
    def export(context: Context) -> None:
        path.touch()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[deferring(kind, "wait", condition)]))
        await runner.execute(Workflow("exports", tasks=[export]))
        result = (await execution.wait()).raise_for_status()
    assert result.context == {"wait": True}


@_BOTH_KINDS
@pytest.mark.parametrize("value", [True, 1, "text", ["row"], {"key": None}, 0.5])
async def test_any_truthy_value_ends_the_wait_and_is_returned(kind: str, value: object, deferring: Deferring) -> None:
    answers = iter([None, False, 0, "", [], {}, value])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = await runner.execute(Workflow("waits", tasks=[deferring(kind, "wait", lambda: next(answers))]))
    assert result.raise_for_status().context == {"wait": value}


class _Errors:
    """Makes conditions that raise the given number of errors before each answer."""

    def __init__(self, is_async: bool, *rounds: tuple[int, object]) -> None:
        self.script: list[object] = []
        for errors, answer in rounds:
            self.script += [*(OSError(f"error {number}") for number in range(1, errors + 1)), answer]
        self.position = 0
        self.condition = self.answer_async if is_async else self.answer

    def answer(self) -> object:
        found = self.script[self.position]
        self.position += 1
        if isinstance(found, OSError):
            raise found
        return found

    async def answer_async(self) -> object:
        return self.answer()


@_BOTH_KINDS
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("good_calls", [0, 2])
async def test_an_error_of_the_condition_fails_the_task_with_the_cause(
    kind: str, is_async: bool, good_calls: int
) -> None:
    errors = _Errors(is_async, *[(0, False)] * good_calls, (1, True))
    seen: list[tuple[BaseException | None, bool]] = []

    @task(id="wait")
    async def wait(context: Context, handle: TaskHandle) -> None:
        try:
            await handle.defer_until(errors.condition, poll_interval_ms=1)
        except ConditionError as error:
            seen.append((error.__cause__, handle.is_slot_held()))
            raise

    @task(id="wait")
    def wait_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        try:
            handle.defer_until(errors.condition, poll_interval_ms=1)
        except ConditionError as error:
            seen.append((error.__cause__, handle.is_slot_held()))
            raise

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = await runner.execute(Workflow("waits", tasks=[wait if kind == "async def" else wait_blocking]))
    ((cause, is_held),) = seen
    assert isinstance(cause, OSError)
    assert is_held
    assert result.status == "Failed"
    assert result.error is not None
    assert (result.error.task_id, result.error.attempt, result.error.code) == ("wait", 1, ConditionError.code)
    assert "OSError: error 1" in result.error.message
    assert "OSError: error 1" in result.error.traceback


@_BOTH_KINDS
@pytest.mark.parametrize("is_async", [False, True])
async def test_tolerate_errors_allows_that_many_in_a_row(kind: str, is_async: bool, deferring: Deferring) -> None:
    errors = _Errors(is_async, (2, False), (2, False), (1, "met"))
    workflow = Workflow("waits", tasks=[deferring(kind, "wait", errors.condition, tolerate_errors=2)])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = (await runner.execute(workflow)).raise_for_status()
        (wait,) = await runner.waits(result.id)
    assert result.context == {"wait": "met"}
    assert (wait.polls, wait.outcome, wait.last_error) == (8, "met", "OSError: error 1")


@_BOTH_KINDS
@pytest.mark.parametrize("is_async", [False, True])
async def test_one_error_more_than_tolerated_fails_the_task(kind: str, is_async: bool, deferring: Deferring) -> None:
    errors = _Errors(is_async, (2, False), (3, True))
    workflow = Workflow("waits", tasks=[deferring(kind, "wait", errors.condition, tolerate_errors=2)])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = await runner.execute(workflow)
        (wait,) = await runner.waits(result.id)
    assert result.status == "Failed"
    assert result.error is not None
    assert "3 errors in a row" in result.error.message
    assert (wait.outcome, wait.last_error) == ("error", "OSError: error 3")


@_BOTH_KINDS
@pytest.mark.parametrize(
    "arguments",
    [
        {"condition": True},
        {"condition": None},
        {"poll_interval_ms": 0},
        {"poll_interval_ms": -5},
        {"poll_interval_ms": 0.5},
        {"poll_interval_ms": True},
        {"tolerate_errors": -1},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"deadline": 17.0},
        {"timeout": 1, "deadline": 17.0},
    ],
    ids=str,
)
async def test_what_cannot_be_waited_for_is_refused_at_the_call(kind: str, arguments: dict[str, Any]) -> None:
    condition, options = arguments.get("condition", lambda: True), dict(arguments)
    options.pop("condition", None)
    seen: list[bool] = []

    @task(id="wait")
    async def wait(context: Context, handle: TaskHandle) -> None:
        with pytest.raises(InvalidWait):
            await handle.defer_until(condition, **options)
        seen.append(handle.is_slot_held())
        await handle.defer_until(lambda: True)  # The handle is as good as before.

    @task(id="wait")
    def wait_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        with pytest.raises(InvalidWait):
            handle.defer_until(condition, **options)
        seen.append(handle.is_slot_held())
        handle.defer_until(lambda: True)

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = await runner.execute(Workflow("waits", tasks=[wait if kind == "async def" else wait_blocking]))
        assert await runner.waits(result.id) == []
    result.raise_for_status()
    assert seen == [True]


@_BOTH_KINDS
async def test_a_slow_condition_stalls_neither_the_loop_nor_another_wait(
    kind: str, deferring: Deferring, until: Until
) -> None:
    hangs, may_return = threading.Event(), threading.Event()
    calls: list[str] = []

    def slow() -> bool:
        hangs.set()
        return may_return.wait(20)

    def quick() -> bool:
        calls.append("quick")
        return len(calls) >= 5

    async with AsyncRunner("sqlite://", max_concurrent_tasks=4) as runner:
        stuck = await runner.submit(Workflow("stuck", tasks=[deferring(kind, "stuck", slow)]))
        await until(hangs.is_set)  # While the event loop goes on, or this would not return.
        result = await runner.execute(Workflow("quick", tasks=[deferring(kind, "wait", quick, timeout=timedelta(20))]))
        result.raise_for_status()
        assert not may_return.is_set()
        may_return.set()
        (await stuck.wait()).raise_for_status()


async def test_many_hanging_conditions_stall_no_other_wait(deferring: Deferring, until: Until) -> None:
    may_return = threading.Event()
    hanging: list[int] = []

    def slow() -> bool:
        hanging.append(1)
        return may_return.wait(20)

    answers = iter([False, False, True])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=20) as runner:
        slow_tasks = [deferring("async def", f"slow_{number}", slow) for number in range(10)]
        stuck = await runner.submit(Workflow("stuck", tasks=slow_tasks))
        quick = await runner.submit(Workflow("quick", tasks=[deferring("async def", "wait", lambda: next(answers))]))
        (await quick.wait(timeout=20)).raise_for_status()
        await until(lambda: len(hanging) == 10)
        may_return.set()
        (await stuck.wait()).raise_for_status()


@_BOTH_KINDS
async def test_a_condition_is_never_called_twice_at_the_same_time(kind: str, deferring: Deferring) -> None:
    inside = threading.Lock()
    calls: list[bool] = []

    def condition() -> bool:
        calls.append(inside.acquire(blocking=False))
        threading.Event().wait(0.005)  # Longer than the interval.
        inside.release()
        return len(calls) >= 5

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = await runner.execute(Workflow("waits", tasks=[deferring(kind, "wait", condition)]))
    result.raise_for_status()
    assert all(calls)
