"""What a wait can work with: its arguments are refused before the slot is touched."""

from __future__ import annotations

import inspect
import math
import reprlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from cloacina.errors import InvalidOption, InvalidWait
from cloacina.execution.waiting.answers import RETURN_INSTEAD
from cloacina.execution.waiting.wording import given
from cloacina.membrane import name_of
from cloacina.polling import PollPolicy
from cloacina.retry import LONGEST, seconds
from cloacina.waits import After, At, Signal

if TYPE_CHECKING:
    from cloacina.handle import Condition


DEFAULT_INTERVAL_MS: Final = 1000
"""Milliseconds between two polls, unless the wait says otherwise."""

SOURCES: Final = (Signal, At, After)
"""What `wait_any` and `wait_all` take beside conditions."""


def check_polling(condition: Condition, poll_interval_ms: int, tolerate_errors: int) -> None:
    """Refuse what cannot be polled.

    Raises:
        InvalidWait: The condition is no function, or one whose result is always true, or a number is not whole or too
            small.
    """
    check_condition(condition)
    if not _is_whole(poll_interval_ms, 1, LONGEST * 1000):
        message = (
            "poll_interval_ms is a whole number of milliseconds, at least 1 and at most 100 years; "
            f"got {reprlib.repr(poll_interval_ms)}"
        )
        raise InvalidWait(message)
    if not _is_whole(tolerate_errors, 0):
        message = f"tolerate_errors is a whole number, at least 0; got {tolerate_errors!r}"
        raise InvalidWait(message)


def interval_of(poll_interval_ms: int | None, poll: PollPolicy | None) -> int:
    """Return how many milliseconds lie between two polls; of a policy, between the first two at most.

    Raises:
        InvalidWait: Both are given, or the policy is none.
    """
    if poll is None:
        return DEFAULT_INTERVAL_MS if poll_interval_ms is None else poll_interval_ms
    if not isinstance(poll, PollPolicy):  # pyright: ignore[reportUnnecessaryIsInstance]
        message = f"poll= is a PollPolicy, such as PollPolicy(5, backoff='exponential'); got {given(poll)}"
        raise InvalidWait(message)
    if poll_interval_ms is not None:
        message = (
            f"a wait takes poll= or poll_interval_ms=, not both; write the interval into the policy, in seconds: "
            f"PollPolicy({reprlib.repr(poll_interval_ms)} / 1000)"
        )
        raise InvalidWait(message)
    return max(1, round(poll.interval * 1000))


def check_condition(condition: Condition) -> None:
    """Refuse what is no condition, as far as that can be told without calling it.

    Raises:
        InvalidWait: It cannot be called, or what it returns is true whatever comes of it.
    """
    found: Any = condition
    if not callable(found):
        message = f"a wait needs a function to call, such as path.exists; got {given(found)}{_mend(found)}"
    elif isinstance(found, type) and not (hasattr(found, "__bool__") or hasattr(found, "__len__")):
        message = f"{name_of(found)} is a class whose objects are always true; pass a function that tells yes from no"
    elif _is_of_kind(found, inspect.isgeneratorfunction) or _is_of_kind(found, inspect.isasyncgenfunction):
        message = f"{name_of(found)} is a generator function, and a generator is always true; {RETURN_INSTEAD}"
    else:
        return
    raise InvalidWait(message)


def check_awaited(awaited: Iterable[Condition | Signal | At | After]) -> list[Condition | Signal | At | After]:
    """Return what a wait for several waits for.

    Raises:
        InvalidWait: They are no list of functions, signals and times, or none.
    """
    found: Any = awaited
    is_one = callable(found) or isinstance(found, SOURCES) or not isinstance(found, Iterable)
    checked: list[Condition | Signal | At | After] = [] if is_one else list(awaited)
    if not checked:
        message = (
            f"a wait for several takes one list of functions, such as [path.exists, job.is_done]; got {given(awaited)}"
        )
        raise InvalidWait(message)
    for each in checked:
        if not isinstance(each, SOURCES):
            check_condition(each)
    return checked


def time_limit(timeout: float | timedelta | None, deadline: datetime | None, now: float) -> float | None:
    """Return for how many seconds a wait may last; None for as long as it takes.

    Args:
        timeout: Seconds, or a timedelta.
        deadline: A moment, with a time zone.
        now: The time in seconds since the epoch.

    Raises:
        InvalidWait: Both are given, the timeout is no duration, or the deadline no moment.
    """
    if timeout is not None and deadline is not None:
        message = "a wait takes timeout= or deadline=, not both"
        raise InvalidWait(message)
    if timeout is not None:
        try:
            return seconds(timeout, "timeout")
        except InvalidOption as error:
            raise InvalidWait(error.message) from None
    if deadline is None:
        return None
    if not isinstance(deadline, datetime) or deadline.utcoffset() is None:  # pyright: ignore[reportUnnecessaryIsInstance]
        message = f"deadline is a datetime with a time zone, such as datetime.now(UTC) + …; got {deadline!r}"
        raise InvalidWait(message)
    if deadline - datetime.fromtimestamp(now, UTC) > timedelta(seconds=LONGEST):
        message = f"deadline is at most 100 years from now; got {deadline!r}"
        raise InvalidWait(message)
    return max(0.0, deadline.timestamp() - now)


def returns_awaitable(condition: Condition) -> bool:
    """Return whether a condition is known to be async before it is called."""
    return _is_of_kind(condition, inspect.iscoroutinefunction)


def _is_of_kind(condition: Condition, is_kind: Callable[[Any], bool]) -> bool:
    """Return whether a function is of a kind, or the one that is called when an object is."""
    return is_kind(condition) or is_kind(getattr(type(condition), "__call__", None))  # noqa: B004 - it is inspected


def _mend(found: Any) -> str:
    """Return what to write in place of something that cannot be called."""
    if isinstance(found, bool):
        return "; pass the function itself, and not what it returned: path.exists, not path.exists()"
    if inspect.isawaitable(found):
        return "; an awaitable gives one answer, and a wait asks again and again: pass a function that returns one"
    for name in ("is_set", "done"):
        if callable(getattr(found, name, None)):
            return f"; pass its method {name}, without calling it"
    return ""


def _is_whole(value: object, minimum: int, maximum: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum
