"""Calls that may take long, such as those of the user's functions, in a thread: the event loop goes on meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable

    from cloacina.execution.waiting.answers import Answer

T = TypeVar("T")


class OffLoop(Generic[T]):
    """A call in one of the threads that call conditions too; as a question to them, it has this one answer.

    Args:
        function: Called in a thread, or on the loop's when there is no thread to be had.
        then: Called on the loop's thread with what the function returned, or None, and what it raised, if it did.
        variables: The context variables that the function runs with.
    """

    __slots__ = ("_function", "_is_called", "_then", "_variables")

    def __init__(
        self,
        function: Callable[[], T],
        then: Callable[[T | None, BaseException | None], None],
        variables: contextvars.Context,
    ) -> None:
        self._function = function
        self._then = then
        self._variables = variables
        self._is_called = False

    def call(self) -> Answer:
        """Call the function."""
        self._is_called = True
        try:
            return self._variables.copy().run(self._function), None
        except BaseException as error:  # noqa: BLE001 - handed to the loop's thread
            return None, error

    def answered(self, value: Any, error: BaseException | None) -> None:
        """Take the answer to the loop's thread."""
        if not self._is_called:
            value, error = self.call()
        self._then(value, error)
