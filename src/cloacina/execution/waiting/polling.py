"""What a wait polls: a condition, how often, and how it has answered so far."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

from cloacina.execution.waiting.answers import NoAnswer, call_condition
from cloacina.execution.waiting.arguments import check_polling, interval_of, returns_awaitable
from cloacina.execution.waiting.combined import FailedRound
from cloacina.execution.waiting.machine import Event
from cloacina.membrane import describe
from cloacina.polling import milliseconds_after

if TYPE_CHECKING:
    from cloacina.execution.waiting.answers import Answer
    from cloacina.handle import Condition
    from cloacina.polling import PollPolicy


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

    @property
    def rhythm(self) -> str:
        """How often it polls, behind the count of its polls in a message."""
        return f", one each {self.interval_ms} ms"

    @property
    def is_exhausted(self) -> bool:
        """Whether it has polled as often as it may."""
        return False

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


class PolicyPolling(Polling):
    """A condition that is called by a policy.

    Args:
        condition: Called until it returns something truthy.
        policy: After how long it is called again, and how often.
        interval_ms: Milliseconds until the second call.
        tolerate_errors: How many errors in a row it may raise.
    """

    __slots__ = ("_policy",)

    def __init__(self, condition: Condition, policy: PollPolicy, interval_ms: int, tolerate_errors: int) -> None:
        super().__init__(condition, interval_ms, tolerate_errors)
        self._policy = policy

    @property
    def rhythm(self) -> str:
        """Nothing: each interval is another one."""
        return ""

    @property
    def is_exhausted(self) -> bool:
        """Whether it has polled as often as it may."""
        return self._policy.max_polls is not None and self.polls >= self._policy.max_polls

    def judge(self, value: Any, error: BaseException | None) -> Event:
        """Return what an answer means; `PATIENCE_UP` if it was the last and does not end the wait."""
        event = super().judge(value, error)
        if event is not Event.NOT_MET:
            return event
        if self.is_exhausted:
            return Event.PATIENCE_UP
        self.interval_ms = milliseconds_after(self._policy, self.polls)
        return event


def polling_of(
    condition: Condition, poll_interval_ms: int | None, poll: PollPolicy | None, tolerate_errors: int
) -> Polling:
    """Return what polls a condition, as the arguments of a wait say.

    Raises:
        InvalidWait: The condition cannot be polled, or an argument is not usable.
    """
    interval_ms = interval_of(poll_interval_ms, poll)
    check_polling(condition, interval_ms, tolerate_errors)
    if poll is None:
        return Polling(condition, interval_ms, tolerate_errors)
    return PolicyPolling(condition, poll, interval_ms, tolerate_errors)
