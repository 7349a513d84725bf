"""Answers: what a condition says when it is called, and what is no answer at all."""

from __future__ import annotations

import inspect
from concurrent.futures import Future
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cloacina.execution.event_loop import EventLoop
    from cloacina.handle import Condition

Answer: TypeAlias = tuple[Any, BaseException | None]
"""A truthy value, or None; and what the condition raised. In place of the value there may be something `Pending`."""

RETURN_INSTEAD: Final = "write `return` in place of `yield`"

_NO_ANSWERS: Final[dict[type, tuple[str, str]]] = {
    GeneratorType: ("a generator", RETURN_INSTEAD),
    AsyncGeneratorType: ("an async generator", RETURN_INSTEAD),
    Future: ("a concurrent.futures.Future", "keep the future, and return `future.done()`"),
}
_NO_ANSWER_TYPES: Final = tuple(_NO_ANSWERS)


class NoAnswer(TypeError):
    """Raised in place of an answer by what is true whatever it stands for; asking again does not help."""

    def __init__(self, found: str, mend: str) -> None:
        super().__init__(f"returned {found}, which is true whatever comes of it; {mend}")


class Pending:
    """Something that a condition returned, to be awaited by the task that waits."""

    __slots__ = ("_awaitable",)

    def __init__(self, awaitable: Awaitable[Any]) -> None:
        self._awaitable = awaitable

    def __call__(self) -> Awaitable[Any]:
        """Return it, to be awaited once."""
        return self._awaitable

    def close(self) -> None:
        """Take note that nobody will await it any more."""
        coroutine: Any = self._awaitable
        if type(coroutine) is CoroutineType:
            coroutine.close()


def call_condition(condition: Condition) -> Answer:
    """Call a condition, and ask for the truth of what it returns: that may run code too."""
    try:
        value = condition()
        if value is None or value is False:
            return None, None
        if inspect.isawaitable(value):
            return Pending(value), None
        return _checked(value), None
    except BaseException as error:  # noqa: BLE001 - handed on whole, to fail the wait
        return None, error


async def answer_of(call: Callable[[], Awaitable[Any]], loop: EventLoop) -> Answer:
    """Await what a condition returns, in the task that waits.

    Raises:
        BaseException: The task itself was cancelled, or the process is to end. That a job was cancelled for which the
            condition waits is an error of the condition, though asyncio has the same exception for both.
    """
    cancellations = loop.cancellations()
    try:
        value = await call()
        if value is None or value is False:
            return None, None
        if inspect.isawaitable(value):
            Pending(value).close()
            raise NoAnswer(f"a {type(value).__name__} that it did not await", "write `await` before the call")
        return _checked(value), None
    except Exception as error:  # noqa: BLE001 - handed on whole, to fail the wait
        return None, error
    except BaseException as error:
        from asyncio import CancelledError  # noqa: PLC0415 - trio users don't pay for it

        if not isinstance(error, CancelledError) or loop.cancellations() != cancellations:
            raise
        return None, error


def _checked(value: Any) -> Any:
    """Return a value if it is true, otherwise None."""
    if issubclass(type(value), _NO_ANSWER_TYPES):  # whatever it says its class is: mocks lie
        raise next(NoAnswer(*words) for kind, words in _NO_ANSWERS.items() if issubclass(type(value), kind))
    return value or None
