"""When a failed attempt of a task is followed by another one, and after how long. And how durations are read."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, Final, Literal, TypeAlias, cast

from cloacina.errors import (
    ConcurrentWait,
    ContextError,
    DefinitionError,
    HandleConsumed,
    InvalidOption,
    InvalidTaskResult,
    InvalidWait,
    NoTaskHandle,
    RunnerClosed,
    WrongEventLoop,
)
from cloacina.membrane import describe, leaves_of

_random: Final = Random()  # noqa: S311 - spreads retries, guards nothing

_Kinds: TypeAlias = tuple[type[Exception], ...]

_REFUSALS: Final = (
    ContextError,
    DefinitionError,
    ConcurrentWait,
    HandleConsumed,
    InvalidWait,
    NoTaskHandle,
    InvalidTaskResult,
    RunnerClosed,
    WrongEventLoop,
)
"""What another attempt would only raise again."""

_YEAR: Final = 365 * 86_400.0

LONGEST: Final = 100 * _YEAR
"""The longest duration that is accepted, in seconds: a hundred years, so that it can be added to clocks and dates."""

RetryOn: TypeAlias = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], object]
"""Which exceptions are worth another attempt: a class, several, or a function that tells."""


def seconds(value: float | timedelta, name: str, *, minimum: float = 0.0) -> float:
    """Return a duration in seconds, checked.

    Args:
        value: Seconds, or a timedelta.
        name: What to call the value in an error message: the name of the argument.
        minimum: The smallest value allowed, in seconds.

    Raises:
        InvalidOption: The value is no number, is NaN or infinite, is below `minimum`, or is over a hundred years.
    """
    given = cast("object", value.total_seconds() if isinstance(value, timedelta) else value)
    if not isinstance(given, int | float) or isinstance(given, bool):
        raise InvalidOption(f"{name} is {value!r}. Expected seconds as a number, or a timedelta")
    if not minimum <= given <= LONGEST:  # NaN is neither.
        raise InvalidOption(f"{name} is {value!r}. Expected {minimum:g} seconds or more, and at most 100 years")
    return float(given)


@dataclass(frozen=True, slots=True, init=False)
class RetryPolicy:
    """How often a task is attempted, and how long it waits between attempts.

    Only an `Exception` is retried: a cancellation or a `KeyboardInterrupt` never is. Of an `ExceptionGroup`, every
    exception in it, and in the groups in it, has to be worth another attempt. What Cloacina itself has refused, such as
    a value that is not JSON or a second wait on one handle, would be refused again: it is retried only if `retry_on`
    names its class. What a failed attempt wrote to the context is discarded.

    Args:
        attempts: How often the task is attempted in all, at least 1. 1 is no retry.
        delay: Seconds, or a timedelta, between the first failure and the second attempt.
        backoff: `"fixed"`: every delay is the same. `"exponential"`: each is `multiplier` times the one before.
        multiplier: The factor of exponential backoff, at least 1.
        max_delay: Seconds, or a timedelta, that no delay exceeds. Without it, a year.
        jitter: The fraction of a delay that is left to chance, 0 to 1: with 0.25 a delay of 8 s lasts between 6 s and
            8 s, with 1 between none and 8 s. It keeps many tasks that failed together from coming back together.
        retry_on: Which exceptions are retried: a class, a tuple of classes, or a function that takes the exception (a
            group as it is) and returns whether to retry. It is called in a thread, while the task keeps its slot.

    Raises:
        InvalidOption: An argument is out of its range.

    Example:
        ```python
        from random import Random

        from cloacina import RetryPolicy

        policy = RetryPolicy(attempts=5, delay=1, backoff="exponential", max_delay=5, retry_on=OSError)
        print([policy.delay_after(attempt, Random(0)) for attempt in range(1, 5)])
        #> [1.0, 2.0, 4.0, 5.0]
        print(policy.should_retry(OSError("connection lost"), 1), policy.should_retry(ValueError("bad"), 1))
        #> True False
        ```
    """

    attempts: int
    delay: float
    backoff: Literal["fixed", "exponential"]
    multiplier: float
    max_delay: float | None
    jitter: float
    retry_on: RetryOn

    def __init__(
        self,
        attempts: int = 3,
        delay: float | timedelta = 1.0,
        *,
        backoff: Literal["fixed", "exponential"] = "fixed",
        multiplier: float = 2.0,
        max_delay: float | timedelta | None = None,
        jitter: float = 0.0,
        retry_on: RetryOn = Exception,
    ) -> None:
        fields: dict[str, Any] = {
            "attempts": _count(attempts),
            "delay": seconds(delay, "delay"),
            "backoff": checked_backoff(backoff),
            "multiplier": checked_number(multiplier, "multiplier", 1.0, 1e6),
            "max_delay": None if max_delay is None else seconds(max_delay, "max_delay"),
            "jitter": checked_number(jitter, "jitter", 0.0, 1.0),
            "retry_on": _retry_on(retry_on),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def should_retry(self, exception: BaseException, attempt: int) -> bool:
        """Return whether another attempt follows the one that failed.

        When the function given as `retry_on` raises, the answer is no, and a note on the exception says why.

        Args:
            exception: What the attempt raised.
            attempt: The number of that attempt, from 1.
        """
        if attempt >= self.attempts or not issubclass(type(exception), Exception):
            return False
        retry_on = self.retry_on
        try:
            if isinstance(retry_on, type | tuple):
                return _is_named(exception, cast("_Kinds", retry_on if isinstance(retry_on, tuple) else (retry_on,)))
            return not any(map(_is_refusal, leaves_of(exception))) and bool(retry_on(cast("Exception", exception)))
        except BaseException as error:  # noqa: BLE001 - it says nothing about the task's own error, which must not be lost
            _note(exception, f"the retry_on function of the task raised {describe(error)}")
            return False

    def delay_after(self, attempt: int, random: Random) -> float:
        """Return how many seconds to wait after an attempt that failed.

        Args:
            attempt: The number of that attempt, from 1.
            random: The source of chance for the jitter.
        """
        multiplier = self.multiplier if self.backoff == "exponential" else 1.0
        return backed_off(self.delay, multiplier, attempt, self.max_delay) * (1.0 - self.jitter * random.random())


def backed_off(first: float, multiplier: float, number: int, longest: float | None) -> float:
    """Return the nth of delays of which each is a multiple of the one before, in seconds.

    Args:
        first: The first delay.
        multiplier: The factor between two of them.
        number: Which of them, from 1.
        longest: What none exceeds; None for a year.
    """
    most = _YEAR if longest is None else longest
    try:
        return min(first * multiplier ** (number - 1), most)
    except OverflowError:
        return most if first else 0.0


def delay_before_next(policy: RetryPolicy, exception: BaseException, attempt: int) -> float | None:
    """Return after how many seconds another attempt follows a failed one; None when none does. Never raises.

    Args:
        policy: The task's.
        exception: What the attempt raised.
        attempt: The number of that attempt, from 1.
    """
    try:
        if not policy.should_retry(exception, attempt):
            return None
        return seconds(policy.delay_after(attempt, _random), "the delay")
    except BaseException as error:  # noqa: BLE001 - of a class that the user has derived
        _note(exception, f"the retry policy of the task raised {describe(error)}")
        return None


def _is_named(exception: BaseException, kinds: _Kinds) -> bool:
    """Return whether classes name an exception, or else every leaf of a group."""
    groups = tuple(kind for kind in kinds if issubclass(kind, BaseExceptionGroup))
    refusals = tuple(kind for kind in kinds if issubclass(kind, _REFUSALS))
    return isinstance(exception, groups) or all(
        isinstance(leaf, refusals if _is_refusal(leaf) else kinds) for leaf in leaves_of(exception)
    )


def _is_refusal(exception: BaseException) -> bool:
    return issubclass(type(exception), _REFUSALS)


def _note(exception: BaseException, reason: str) -> None:
    with suppress(BaseException):  # An exception of the user's may take no notes.
        BaseException.add_note(exception, f"Not retried: {reason}")


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidOption(f"attempts is {value!r}. Expected how often to attempt the task in all, 1 or more")
    return value


def checked_backoff(value: object) -> object:
    """Return the name of a backoff, or refuse it."""
    if value not in ("fixed", "exponential"):
        raise InvalidOption(f"backoff is {value!r}. Expected 'fixed' or 'exponential'")
    return value


def checked_number(value: object, name: str, minimum: float, maximum: float) -> float:
    """Return a number within its range, or refuse it by the name of its argument."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not minimum <= value <= maximum:
        raise InvalidOption(f"{name} is {value!r}. Expected a number from {minimum:g} to {maximum:g}")
    return float(value)


def _retry_on(value: object) -> object:
    if inspect.iscoroutinefunction(value):
        raise InvalidOption(
            f"retry_on is {value!r}, whose answer would have to be awaited. Expected a `def` function, which is called"
            " after each failed attempt"
        )
    if isinstance(value, tuple):
        kinds = cast("tuple[object, ...]", value)
        if kinds and all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
            return kinds
    elif callable(value) and (not isinstance(value, type) or issubclass(value, Exception)):
        return value
    raise InvalidOption(
        f"retry_on is {value!r}. Expected a subclass of Exception, a tuple of them, or a function that takes the"
        " exception and returns whether to retry"
    )


NO_RETRY: Final = RetryPolicy(attempts=1)
"""The policy of a task that was given none: one attempt."""
