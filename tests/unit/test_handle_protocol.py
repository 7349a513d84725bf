"""The context variable hands a handle to one taker at a time, and always goes back to what it was."""

from __future__ import annotations

import contextvars
import copy
import inspect
import pickle
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import anyio
import anyio.lowlevel
import pytest

from cloacina import (
    BlockingTaskHandle,
    NoTaskHandle,
    TaskHandle,
    return_task_handle,
    take_task_handle,
    with_task_handle,
)
from cloacina.execution.blocking_handle import BlockingSlotToken, EngineBlockingTaskHandle
from cloacina.execution.handle import EngineTaskHandle
from cloacina.execution.slots import SlotToken
from cloacina.handle import RAISE, BlockingHeldSlot, HeldSlot, Raise, WaitOptions, call_with_task_handle
from cloacina.testing import FakeTaskHandle


class Slot:
    """A slot that is always held."""

    def release(self) -> bool:
        return True

    async def reclaim(self) -> None: ...

    def is_held(self) -> bool:
        return True


class Handle(FakeTaskHandle):
    """A whole TaskHandle with a name, as the type checkers confirm where it is passed on."""

    def __init__(self, name: str = "handle") -> None:
        super().__init__(task_execution_id=name)

    def __repr__(self) -> str:
        return self.task_execution_id()


def is_set() -> bool:
    """Return whether there is a handle to take here, leaving it where it is."""
    try:
        handle = take_task_handle()
    except NoTaskHandle:
        return False
    return_task_handle(handle)
    return True


Body = Callable[[], object]


class Call(Protocol):
    """One of the two ways to run a body with a handle."""

    async def __call__(self, handle: Handle, body: Body) -> tuple[object, Handle | None]: ...


async def call_async(handle: Handle, body: Body) -> tuple[object, Handle | None]:
    async def coroutine() -> object:
        await anyio.lowlevel.checkpoint()
        return body()

    return await with_task_handle(handle, coroutine())


async def call_blocking(handle: Handle, body: Body) -> tuple[object, Handle | None]:
    return call_with_task_handle(handle, body)


both = pytest.mark.parametrize("call", [call_async, call_blocking])


@both
async def test_a_handle_that_nobody_took_comes_back(call: Call) -> None:
    handle = Handle()
    assert await call(handle, lambda: "result") == ("result", handle)


@both
async def test_a_handle_that_was_taken_and_returned_comes_back(call: Call) -> None:
    def body() -> None:
        handle = take_task_handle()
        assert handle is given
        return_task_handle(handle)

    given = Handle()
    assert await call(given, body) == (None, given)


@both
async def test_a_handle_that_was_taken_and_kept_does_not_come_back(call: Call) -> None:
    assert (await call(Handle(), take_task_handle))[1] is None


@both
async def test_a_consumed_handle_is_not_given_back(call: Call) -> None:
    def consumes() -> None:
        handle = take_task_handle()
        handle.into_slot_token()
        return_task_handle(handle)
        assert not is_set()

    assert await call(Handle(), consumes) == (None, None)
    given = Handle()
    assert (await call(given, given.into_slot_token))[1] is None


@both
async def test_another_handle_put_in_its_place_is_not_taken_for_it(call: Call) -> None:
    other = Handle("other")

    def body() -> None:
        return_task_handle(other)

    assert (await call(Handle(), body))[1] is None


@both
async def test_a_handle_is_taken_by_one_only(call: Call) -> None:
    def body() -> None:
        take_task_handle()
        with pytest.raises(NoTaskHandle, match="its handle was taken already"):
            take_task_handle()

    await call(Handle(), body)


@both
async def test_the_variable_is_reset_after_the_body(call: Call) -> None:
    assert not is_set()
    await call(Handle(), lambda: None)
    assert not is_set()


@both
async def test_an_error_passes_and_the_variable_is_reset(call: Call) -> None:
    class ExpectedError(BaseException): ...

    def body() -> None:
        take_task_handle()
        raise ExpectedError

    with pytest.raises(ExpectedError):
        await call(Handle(), body)
    assert not is_set()


async def test_async_use_nests() -> None:
    outer, inner = Handle("outer"), Handle("inner")

    async def innermost() -> object:
        return take_task_handle()

    async def body() -> None:
        assert await with_task_handle(inner, innermost()) == (inner, None)
        assert take_task_handle() is outer
        return_task_handle(outer)

    assert await with_task_handle(outer, body()) == (None, outer)


async def test_nested_use_restores_a_handle_that_was_taken_as_taken() -> None:
    async def innermost() -> None: ...

    async def body() -> None:
        take_task_handle()
        await with_task_handle(Handle("inner"), innermost())
        assert not is_set()

    assert (await with_task_handle(Handle("outer"), body()))[1] is None


async def test_tasks_at_the_same_time_have_their_own_handles() -> None:
    both_are_set = anyio.Event()
    waiting: list[int] = []

    async def body(expected: Handle) -> None:
        waiting.append(1)
        if len(waiting) == 2:
            both_are_set.set()
        await both_are_set.wait()
        assert take_task_handle() is expected
        return_task_handle(expected)

    async def run(handle: Handle) -> None:
        assert await with_task_handle(handle, body(handle)) == (None, handle)

    async with anyio.create_task_group() as group:
        for handle in (Handle("first"), Handle("second")):
            group.start_soon(run, handle)
    assert len(waiting) == 2


async def test_a_cancelled_body_leaves_no_handle_behind() -> None:
    async def body() -> None:
        take_task_handle()
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        scope.cancel()
        await with_task_handle(Handle(), body())
    assert scope.cancelled_caught
    assert not is_set()


def test_a_thread_has_a_handle_of_its_own() -> None:
    results: list[tuple[object, object]] = []

    def body(first: int, second: int) -> int:
        assert is_set()
        return first + second

    handle = Handle()

    def run() -> None:
        results.append(call_with_task_handle(handle, body, 1, 2))

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,))
    thread.start()
    thread.join()
    assert results == [(3, handle)]
    assert not is_set()


async def test_any_awaitable_will_do() -> None:
    class Own:
        def __await__(self) -> Any:
            yield from anyio.lowlevel.checkpoint().__await__()
            return "awaited"

    awaitable: Awaitable[str] = Own()
    handle = Handle()
    assert await with_task_handle(handle, awaitable) == ("awaited", handle)


def test_raise_is_a_sentinel_that_survives_copying() -> None:
    assert repr(RAISE) == "RAISE"
    assert isinstance(RAISE, Raise)
    assert copy.deepcopy(RAISE) is RAISE
    assert pickle.loads(pickle.dumps(RAISE)) is RAISE


def test_the_protocols_are_told_apart_from_other_objects() -> None:
    assert isinstance(Handle(), TaskHandle)
    assert not isinstance(object(), TaskHandle)
    assert isinstance(Slot(), HeldSlot)
    assert not isinstance(object(), BlockingHeldSlot)


def methods(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_both_handles_have_the_same_methods_with_the_same_arguments() -> None:
    assert methods(TaskHandle) == methods(BlockingTaskHandle)
    for name in ("defer_until", "wait_any", "wait_all", "yield_slot", "into_slot_token", "is_slot_held"):
        awaited, blocking = getattr(TaskHandle, name), getattr(BlockingTaskHandle, name)
        assert inspect.signature(awaited).parameters == inspect.signature(blocking).parameters
        is_awaited = name in ("defer_until", "wait_any", "wait_all", "yield_slot")
        assert inspect.iscoroutinefunction(awaited) is is_awaited
        assert not inspect.iscoroutinefunction(blocking)


def test_wait_options_are_the_keyword_arguments_of_defer_until() -> None:
    parameters = inspect.signature(TaskHandle.defer_until).parameters.values()
    named = {each.name: each.annotation for each in parameters if each.kind is each.KEYWORD_ONLY}
    assert named == {name: kind.__forward_arg__ for name, kind in WaitOptions.__annotations__.items()}


def test_the_engine_provides_what_the_protocols_promise() -> None:
    pairs = [
        (TaskHandle, EngineTaskHandle),
        (BlockingTaskHandle, EngineBlockingTaskHandle),
        (HeldSlot, SlotToken),
        (BlockingHeldSlot, BlockingSlotToken),
    ]
    for protocol, kind in pairs:
        for name in methods(protocol):
            promised, provided = getattr(protocol, name), getattr(kind, name)
            assert isinstance(promised, property) is isinstance(provided, property)
            assert inspect.iscoroutinefunction(promised) is inspect.iscoroutinefunction(provided)
