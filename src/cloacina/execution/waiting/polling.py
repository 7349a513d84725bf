"""What a wait polls: a condition, how often, and how it has answered so far."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from cloacina.execution.waiting.answers import NoAnswer, call_condition
from cloacina.execution.waiting.arguments import returns_awaitable
from cloacina.execution.waiting.combined import FailedRound
from cloacina.execution.waiting.machine import Event
from cloacina.membrane import describe

if TYPE_CHECKING:
    from cloacina.execution.waiting.answers import Answer
    from cloacina.handle import Condition


class Polling:
    """A condition that is called until it holds or fails too often.

    Args:
        condition: Called until it returns something truthy.
        interval_ms: Milliseconds from an answer to the next call.
        tolerate_errors: How many errors in a row it may raise.

    Attributes:
        is_async: Whether it is awaited by the waiting task, instead of being called in a thread.
        polls: How often it has answered.
        flushed_polls: How many of those the store has been told.
        errors: How often it has raised.
        last_error: What it raised last, in a line.
        failed: What it failed with, once it has.
    """

    __slots__ = (
        "_context",
        "_errors_in_a_row",
        "_tolerate_errors",
        "condition",
        "errors",
        "failed",
        "flushed_polls",
        "interval_ms",
        "is_async",
        "last_error",
        "polls",
    )

    def __init__(self, condition: Condition, interval_ms: int, tolerate_errors: int) -> None:
        self.condition = condition
        self._context = contextvars.copy_context()
        self.is_async = returns_awaitable(condition)
        self.interval_ms = interval_ms
        self._tolerate_errors = tolerate_errors
        self._errors_in_a_row = 0
        self.polls = 0
        self.flushed_polls = 0
        self.errors = 0
        self.last_error: str | None = None
        self.failed: FailedRound | None = None

    def call(self) -> Answer:
        """Call the condition, in a thread, with the context variables of the one who waits."""
        return self._context.run(call_condition, self.condition)

    def judge(self, value: Any, error: BaseException | None) -> Event:
        """Return what an answer means: `NOT_MET`, `MET` or `FAILED`."""
        self.polls += 1
        if error is None:
            self._errors_in_a_row = 0
            return Event.NOT_MET if value is None else Event.MET
        in_a_row = self._errors_in_a_row + 1
        failed = error if type(error) is FailedRound else FailedRound(self.condition, error, in_a_row)
        self._errors_in_a_row = failed.in_a_row
        self.errors += failed.errors
        self.last_error = describe(failed.error)
        if failed.in_a_row <= self._tolerate_errors and type(failed.error) is not NoAnswer:
            return Event.NOT_MET
        self.failed = failed
        return Event.FAILED
