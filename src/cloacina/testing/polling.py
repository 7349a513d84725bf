"""What a stand-in handle records of a wait, and in which order a poll calls its conditions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from cloacina.handle import Condition

Answer: TypeAlias = tuple[Any, Exception | None]
"""What a condition returned, or what it raised."""

Calls: TypeAlias = "Generator[Condition, Answer, Answer]"
"""One poll: yields the conditions to call, is sent their answers, and returns what comes of them."""


@dataclass(slots=True)
class RecordedWait:
    """A wait of a stand-in handle, for a test to look at."""

    conditions: tuple[Condition, ...]
    """What was waited for: one condition, or several for `wait_any` and `wait_all`."""
    poll_interval_ms: int
    """Milliseconds between two polls."""
    time_limit: timedelta | None
    """How long the wait was allowed to take, by `timeout=` or `deadline=`; None for as long as it takes."""
    tolerate_errors: int
    """How many errors in a row were allowed."""
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

    def poll() -> Calls:
        return (yield condition)

    return poll


def first_of(conditions: Sequence[Condition]) -> Callable[[], Calls]:
    """Return how the conditions of `wait_any` are polled."""

    def poll() -> Calls:
        for index, condition in enumerate(conditions):
            value, error = yield condition
            if value or error is not None:
                return (index, value), error
        return None, None

    return poll


def each_of(conditions: Sequence[Condition]) -> Callable[[], Calls]:
    """Return how the conditions of `wait_all` are polled: one that has held is not called again."""
    values: dict[int, Any] = {}

    def poll() -> Calls:
        for index, condition in enumerate(conditions):
            if index not in values:
                value, error = yield condition
                if error is not None:
                    return None, error
                if value:
                    values[index] = value
        is_met = len(values) == len(conditions)
        return [values[index] for index in range(len(conditions))] if is_met else None, None

    return poll


def names(wait: RecordedWait) -> str:
    """Return what the conditions of a wait are called."""
    return ", ".join(getattr(condition, "__qualname__", None) or repr(condition) for condition in wait.conditions)
