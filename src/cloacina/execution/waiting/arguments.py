"""What a wait can work with: its arguments are refused before the slot is touched."""

from __future__ import annotations

import inspect
import math
import reprlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cloacina.errors import InvalidOption, InvalidWait
from cloacina.retry import LONGEST, seconds

if TYPE_CHECKING:
    from cloacina.handle import Condition


def check_polling(condition: Condition, poll_interval_ms: int, tolerate_errors: int) -> None:
    """Refuse what cannot be polled.

    Raises:
        InvalidWait: The condition is not callable, or a number is not whole or too small.
    """
    if not callable(condition):
        message = f"a wait needs a function to call, such as path.exists; got {condition!r}"
        raise InvalidWait(message)
    if not _is_whole(poll_interval_ms, 1, LONGEST * 1000):
        message = (
            "poll_interval_ms is a whole number of milliseconds, at least 1 and at most 100 years; "
            f"got {reprlib.repr(poll_interval_ms)}"
        )
        raise InvalidWait(message)
    if not _is_whole(tolerate_errors, 0):
        message = f"tolerate_errors is a whole number, at least 0; got {tolerate_errors!r}"
        raise InvalidWait(message)


def check_conditions(conditions: Iterable[Condition]) -> list[Condition]:
    """Return the conditions of a wait for several.

    Raises:
        InvalidWait: They are no list of functions, or none.
    """
    found: Any = conditions
    is_one = callable(found) or not isinstance(found, Iterable)
    checked: list[Condition] = [] if is_one else list(conditions)
    if not checked or not all(map(callable, checked)):
        message = f"a wait for several takes one list of functions, such as [path.exists, job.is_done]; got {found!r}"
        raise InvalidWait(message)
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
    return inspect.iscoroutinefunction(condition) or inspect.iscoroutinefunction(
        getattr(type(condition), "__call__", None)  # noqa: B004 - the method itself is inspected
    )


def _is_whole(value: object, minimum: int, maximum: float = math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum
