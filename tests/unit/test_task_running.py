"""A task is run by one signature, takes its handle out of the context variable, and returns nothing."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from cloacina import (
    BlockingTaskHandle,
    Context,
    InvalidTaskResult,
    NoTaskHandle,
    TaskHandle,
    take_task_handle,
    task,
    with_task_handle,
)
from cloacina.handle import call_with_task_handle
from cloacina.task import task_definition


class Handle:
    is_consumed = False


def run_blocking(function: Callable[..., Any], context: Context) -> None:
    task_definition(task(id="task")(functools.partial(function))).run_blocking(context)


async def run(function: Callable[..., Any], context: Context) -> None:
    await task_definition(task(id="task")(functools.partial(function))).run(context)


async def test_none_and_the_context_are_results() -> None:
    async def returns_context(context: Context) -> Context:
        context["async"] = 1
        return context

    def returns_context_too(context: Context) -> Context:
        context["def"] = 2
        return context

    context = Context()
    await run(returns_context, context)
    run_blocking(returns_context_too, context)
    assert context == {"async": 1, "def": 2}


@pytest.mark.parametrize("result", [{}, False, 0, "", [1], Context()], ids=repr)
async def test_another_result_is_refused(result: object) -> None:
    async def returns(context: Context) -> object:
        return result

    def returns_too(context: Context) -> object:
        return result

    message = rf"^Task 'task' returned {type(result).__name__}, which would be lost"
    with pytest.raises(InvalidTaskResult, match=message):
        await run(returns, Context())
    with pytest.raises(InvalidTaskResult, match=message):
        run_blocking(returns_too, Context())


def test_a_coroutine_that_nobody_would_await_is_closed_and_refused() -> None:
    async def body() -> None:
        raise AssertionError("must not run")

    def forgets_async(context: Context) -> Awaitable[None]:
        return body()

    with pytest.raises(InvalidTaskResult, match="returned a coroutine, which nobody awaits"):
        run_blocking(forgets_async, Context())


async def test_a_def_wrapper_around_an_async_function_may_return_a_coroutine_or_nothing() -> None:
    async def body(context: Context) -> None:
        context["body"] = context.get("body", 0) + 1

    @functools.wraps(body)
    def passes_on(context: Context) -> Awaitable[None]:
        return body(context)

    @functools.wraps(body)
    def does_nothing(context: Context) -> None:
        return None

    context = Context()
    await run(passes_on, context)
    await run(does_nothing, context)
    assert context["body"] == 1


async def test_the_handle_is_taken_for_the_time_of_the_body_and_given_back() -> None:
    taken_inside: list[object] = []

    def nobody_else_can_take_it() -> None:
        with pytest.raises(NoTaskHandle):
            take_task_handle()

    async def body(context: Context, handle: TaskHandle) -> None:
        nobody_else_can_take_it()
        taken_inside.append(handle)

    def body_too(context: Context, handle: BlockingTaskHandle) -> None:
        nobody_else_can_take_it()
        taken_inside.append(handle)

    handle: Any = Handle()
    definition = task_definition(task(body))
    assert await with_task_handle(handle, definition.run(Context())) == (None, handle)
    definition = task_definition(task(body_too))
    assert call_with_task_handle(handle, definition.run_blocking, Context()) == (None, handle)
    assert taken_inside == [handle, handle]


async def test_the_handle_is_given_back_after_an_error() -> None:
    async def body(context: Context, handle: TaskHandle) -> None:
        raise ValueError("broken")

    async def outer() -> None:
        with pytest.raises(ValueError, match="broken"):
            await run(body, Context())
        assert take_task_handle() is handle

    handle = cast("TaskHandle", Handle())
    await with_task_handle(handle, outer())


async def test_a_task_with_a_handle_cannot_run_without_one() -> None:
    async def body(context: Context, handle: TaskHandle) -> None:
        raise AssertionError("must not run")

    def body_too(context: Context, handle: BlockingTaskHandle) -> None:
        raise AssertionError("must not run")

    with pytest.raises(NoTaskHandle, match="Declare a parameter named `handle`"):
        await run(body, Context())
    with pytest.raises(NoTaskHandle):
        run_blocking(body_too, Context())


async def test_a_task_without_handle_is_called_directly_and_leaves_the_handle_alone() -> None:
    frames: list[str] = []

    def body(context: Context) -> None:
        import inspect

        frame = inspect.currentframe()
        while frame is not None and frame.f_code.co_name != "measured":
            frames.append(frame.f_code.co_name)
            frame = frame.f_back

    async def async_body(context: Context) -> None:
        body(context)

    def measured() -> None:
        task_definition(task(body)).run_blocking(Context())

    measured()
    assert frames == ["body", "run_blocking"]
    handle = cast("TaskHandle", Handle())
    assert await with_task_handle(handle, task_definition(task(async_body)).run(Context())) == (None, handle)


def test_a_callable_object_with_state_is_a_task() -> None:
    class Counter:
        def __init__(self) -> None:
            self.calls = 0

        def __call__(self, context: Context) -> None:
            self.calls += 1
            context["calls"] = self.calls

    counter = task(id="counter")(Counter())
    context = Context()
    task_definition(counter).run_blocking(context)
    task_definition(counter).run_blocking(context)
    assert (counter.calls, context["calls"]) == (2, 2)
