"""What a stand-in handle records of a wait, and in which order a poll calls its conditions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cloacina.execution.waiting.combined import FailedRound

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from cloacina.execution.waiting.answers import Answer
    from cloacina.execution.waiting.combined import Several
    from cloacina.handle import Condition
    from cloacina.polling import PollPolicy

Calls: TypeAlias = "Generator[Condition, Answer, Any]"
"""One poll: yields the conditions to call, is sent their answers, and returns what comes of them, or None."""


@dataclass(slots=True)
class RecordedWait:
    """A wait of a stand-in handle, for a test to look at."""

    conditions: tuple[Condition, ...]
    """What was waited for: one condition, or several for `wait_any` and `wait_all`."""
    poll_interval_ms: int
    """Milliseconds between two polls; of a `PollPolicy`, before the second."""
    time_limit: timedelta | None
    """How long the wait was allowed to take, by `timeout=` or `deadline=`; None for as long as it takes."""
    tolerate_errors: int
    """How many errors in a row were allowed."""
    poll_policy: PollPolicy | None = None
    """The `poll=` of the wait."""
    polls: int = 0
    """How often the condition was called; 1 when it held at once, so that no slot changed hands."""
    errors: int = 0
    """How many of the calls raised."""
    outcome: Literal["met", "timeout", "error"] | None = None
    """How the wait ended; None while it has not, or was cancelled."""
    value: Any = None
    """What the condition returned, when it was met."""
    duration: timedelta = timedelta(0)
    """How much virtual time the wait took."""


def one(condition: Condition) -> Callable[[], Calls]:
    """Return how a single condition is polled."""
    errors_in_a_row = 0

    def poll() -> Calls:
        nonlocal errors_in_a_row
        value, error = yield condition
        if error is not None:
            errors_in_a_row += 1
            raise FailedRound(condition, error, errors_in_a_row)
        errors_in_a_row = 0
        return value

    return poll


def each_of(several: Several) -> Callable[[], Calls]:
    """Return how several conditions are polled."""

    def poll() -> Calls:
        asked = several.round()
        index = next(asked)
        try:
            while True:
                index = asked.send((yield several.conditions[index]))
        except StopIteration as end:
            return end.value

    return poll
