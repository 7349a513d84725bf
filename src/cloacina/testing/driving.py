"""Doing something to an execution in the moment in which it waits for that, in a test, and in order."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

import anyio

from cloacina.runner import AsyncRunner, Runner
from cloacina.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from cloacina.async_runner import Execution
    from cloacina.runner import BlockingExecution
    from cloacina.store.records import QuestionRecord, WaitRecord

T = TypeVar("T")

_PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.005


@overload
def send_signal(
    runner: AsyncRunner, execution: Execution | str, name: str, payload: Any = None
) -> Coroutine[Any, Any, None]: ...


@overload
def send_signal(runner: Runner, execution: BlockingExecution | str, name: str, payload: Any = None) -> None: ...


def send_signal(
    runner: AsyncRunner | Runner, execution: Execution | BlockingExecution | str, name: str, payload: Any = None
) -> Coroutine[Any, Any, None] | None:
    """Send a signal to an execution as soon as one of its tasks waits for it.

    In virtual time nothing else happens between the beginning of the wait and the signal: no timeout is up meanwhile.

    Args:
        runner: The runner of the execution. With an `AsyncRunner`, this is awaited.
        execution: The execution, or its id.
        name: The signal's name.
        payload: What it tells, any JSON value.

    Raises:
        AssertionError: The execution has ended, or nothing can happen any more, and no task waits for that signal.

    Example:
        ```python
        from datetime import timedelta

        from cloacina import BlockingTaskHandle, Context, Runner, Workflow, task
        from cloacina.testing import VirtualClock, send_signal

        @task
        def wait(context: Context, handle: BlockingTaskHandle) -> None:
            handle.defer_for(timedelta(days=3))
            context["paid"] = handle.wait_for("paid", timeout=60)

        with Runner("sqlite://", clock=VirtualClock()) as runner:
            execution = runner.submit(Workflow("billing", tasks=[wait]))
            send_signal(runner, execution, "paid", 7)  # after three days, before the minute is over
            print(execution.wait().context)
            #> {'paid': 7}
        ```
    """
    execution_id = execution if isinstance(execution, str) else execution.id
    if isinstance(runner, Runner):
        runner._call(partial(_send_signal, runner._runner, execution_id, name, payload))  # noqa: SLF001 - two faces of one thing
        return None
    return _send_signal(runner, execution_id, name, payload)


@overload
def answer(runner: AsyncRunner, question: str, value: Any, *, by: str | None = None) -> Coroutine[Any, Any, None]: ...


@overload
def answer(runner: Runner, question: str, value: Any, *, by: str | None = None) -> None: ...


def answer(
    runner: AsyncRunner | Runner, question: str, value: Any, *, by: str | None = None
) -> Coroutine[Any, Any, None] | None:
    """Answer a question as soon as a task asks it.

    Args:
        runner: The runner of the task. With an `AsyncRunner`, this is awaited.
        question: The text of the question.
        value: The answer, any JSON value.
        by: Who answers.

    Raises:
        AssertionError: Nothing can happen any more, and nobody has asked that.
        InvalidAnswer: The value does not satisfy the question's schema.
    """
    if isinstance(runner, Runner):
        runner._call(partial(_answer, runner._runner, question, value, by))  # noqa: SLF001 - as above
        return None
    return _answer(runner, question, value, by)


async def _send_signal(runner: AsyncRunner, execution_id: str, name: str, payload: Any) -> None:
    async def look() -> bool:
        if (await runner.execution(execution_id)).status.is_final:
            message = f"execution {execution_id} has ended without waiting for the signal {name!r}"
            raise AssertionError(message)
        return name in awaited_signals(runner, execution_id)

    await until(runner, look, f"no task waits for the signal {name!r}")
    await runner.signal(execution_id, name, payload)


async def _answer(runner: AsyncRunner, text: str, value: Any, by: str | None) -> None:
    async def look() -> QuestionRecord | None:
        return next((question for question in await runner.questions() if question.text == text), None)

    if (question := await until(runner, look, f"nobody has asked {text!r}")) is not None:
        await runner.answer(question.id, value, by=by)


def awaited_signals(runner: AsyncRunner, execution_id: str) -> frozenset[str]:
    """Return the names of the signals that an execution's tasks wait for now."""
    run = runner._engine.find(execution_id)  # noqa: SLF001 - as above
    return frozenset() if run is None else run.inbox.awaited


async def until(runner: AsyncRunner, look: Callable[[], Awaitable[T]], otherwise: str) -> T:
    """Look at each moment in which something may have changed; return the first true thing that was seen.

    Args:
        runner: The runner whose tasks have their turn between two looks.
        look: Looks; in virtual time, which stands still meanwhile.
        otherwise: What to say when nothing can change any more.

    Raises:
        AssertionError: Nothing can happen any more; in real time, a minute has passed.
    """
    engine = runner._engine  # noqa: SLF001 - as above
    clock = engine._clock  # noqa: SLF001 - as above
    engine._callers_waiting += 1  # noqa: SLF001 - so that virtual time passes beside a `Runner`
    try:
        if isinstance(clock, VirtualClock):
            while True:
                await clock.settled()
                if found := await look():
                    return found
                if not await clock.jump():
                    break
        else:
            with anyio.move_on_after(_PATIENCE_SECONDS):
                while not (found := await look()):  # noqa: ASYNC110 - what is looked for may be in the database
                    await anyio.sleep(_LOOK_SECONDS)
                return found
    finally:
        engine._callers_waiting -= 1  # noqa: SLF001 - as above
    waits = [f"task {wait.task_id!r} for {_what(wait)}" for wait in await runner.waits(phase="waiting")]
    raise AssertionError(f"{otherwise}; what is waited for: {', '.join(waits) or 'nothing'}")


def _what(wait: WaitRecord) -> str:
    if wait.question is not None:
        return f"an answer to {wait.question!r}"
    return f"a {wait.kind} {wait.name!r}" if wait.name else f"a {wait.kind}"
