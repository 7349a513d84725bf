"""Exceptions that no program expects, where the engine calls a user's code: they fail a task, never the runner."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from cloacina import AsyncRunner, ConditionError, Context, RetryPolicy, TaskHandle, Workflow, task
from cloacina.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

UNDECODABLE = os.fsdecode(b"caf\xe9.csv")
"""The name of a file in another encoding, as Python hands it out: no UTF-8 text can hold it."""

EXITS = [SystemExit(3), GeneratorExit(), KeyboardInterrupt(), BaseExceptionGroup("several", [SystemExit(3)])]


@task
async def one(context: Context) -> None:
    context["key"] = 1


@task
async def other(context: Context) -> None:
    context["key"] = 2


@task(dependencies=[one, other])
async def join(context: Context) -> None:
    pass


@task
async def nothing(context: Context) -> None:
    pass


async def assert_goes_on(runner: AsyncRunner) -> None:
    """Assert that a runner has not broken down."""
    (await runner.execute(Workflow("nothing", tasks=[nothing]))).raise_for_status()


@pytest.mark.parametrize("error", EXITS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("tasks", [[one, other, join], [one, other]], ids=["at a join", "at the end"])
async def test_a_merge_function_that_exits_fails_its_execution_and_nothing_else(
    tasks: list[Callable[..., Any]], error: BaseException
) -> None:
    def leave(values: list[Any]) -> Any:
        raise error

    async with AsyncRunner("sqlite://") as runner:
        result = await runner.execute(Workflow("merging", tasks=tasks, merge={"key": leave}))
        assert result.status == "Failed"
        assert result.error is not None
        assert result.error.type == type(error).__name__
        await assert_goes_on(runner)


@pytest.mark.parametrize("error", EXITS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("failing", ["raises", "times out"])
async def test_a_retry_predicate_that_exits_is_no_yes(failing: str, error: BaseException) -> None:
    def leave(_: Exception) -> bool:
        raise error

    clock = VirtualClock()
    may_end = threading.Event()

    @task(retry=RetryPolicy(attempts=2, delay=0, retry_on=leave), timeout=60)
    def fail(context: Context) -> None:
        if failing == "raises":
            raise ValueError
        clock.advance(60)
        may_end.wait(20)

    async with AsyncRunner("sqlite://", clock=clock) as runner:
        result = await runner.execute(Workflow("failing", tasks=[fail]))
        may_end.set()
        assert result.status == "Failed"
        assert result.tasks["fail"].attempt == 1
        await assert_goes_on(runner)


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), BaseExceptionGroup("several", [SystemExit(3)])])
@pytest.mark.parametrize("at", [1, 2], ids=["first call", "second call"])
@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
async def test_a_condition_that_exits_fails_its_task_and_nothing_else(
    is_async: bool, at: int, error: BaseException
) -> None:
    calls: list[None] = []

    def leave() -> None:
        calls.append(None)
        if len(calls) == at:
            raise error

    async def leave_async() -> None:
        leave()

    @task
    async def waiting(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(leave_async if is_async else leave, poll_interval_ms=1)

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = await runner.execute(Workflow("waiting", tasks=[waiting]))
        assert result.status == "Failed"
        assert all(wait.phase == "ended" for wait in await runner.waits(result.id))
        await assert_goes_on(runner)


@pytest.mark.parametrize("tolerate_errors", [0, 5])
async def test_the_error_of_a_condition_may_name_a_file_that_no_text_can_hold(tolerate_errors: int) -> None:
    answers = iter([None, FileNotFoundError(UNDECODABLE), True])

    def condition() -> Any:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @task
    async def waiting(context: Context, handle: TaskHandle) -> None:
        try:
            await handle.defer_until(condition, poll_interval_ms=1, tolerate_errors=tolerate_errors)
        except ConditionError as error:
            context["text"] = str(error)

    async with AsyncRunner("sqlite://") as runner:
        result = await runner.execute(Workflow("waiting", tasks=[waiting]))
        assert result.status == "Completed"
        (wait,) = await runner.waits(result.id)
        assert wait.last_error == "FileNotFoundError: caf\\udce9.csv"


async def test_the_error_of_a_task_may_name_a_file_that_no_text_can_hold() -> None:
    @task
    async def reading(context: Context) -> None:
        raise FileNotFoundError(UNDECODABLE)

    async with AsyncRunner("sqlite://") as runner:
        error = (await runner.execute(Workflow("reading", tasks=[reading]))).error
        assert error is not None
        assert error.message == "caf\\udce9.csv"
        assert error.traceback is not None
        error.traceback.encode()  # A terminal can show it, and a file hold it.
