"""What a task can wait for beside conditions: signals and times.

They stand beside conditions in `wait_any` and `wait_all`; alone, `wait_for`, `defer_for` and `defer_to` wait for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cloacina.errors import InvalidName, InvalidOption, InvalidWait
from cloacina.retry import LONGEST, seconds
from cloacina.task import check_name as check_identifier

if TYPE_CHECKING:
    from typing import TypeAlias

    from cloacina.handle import Condition

    Awaited: TypeAlias = "Condition | Signal | At | After"
    """What `wait_any` and `wait_all` take."""

MAXIMUM_NAME_LENGTH = 200
"""How many characters the name of a wait, a signal or a checkpoint has at most."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal to the execution, by its name: somebody calls `signal(execution, name, payload)`.

    Args:
        name: The signal's name: letters, digits, `_`, `-` and `.`.
        model: A type that the payload is validated by, with pydantic: a model, a dataclass, `list[int]`. A signal that
            it refuses is recorded as refused, and the wait goes on. None takes any JSON value.

    Raises:
        InvalidWait: The name is no name.

    Example:
        ```python
        from cloacina import Signal, TaskHandle


        async def wait_for_a_decision(handle: TaskHandle) -> str:
            which, payload = await handle.wait_any([Signal("approved"), Signal("rejected")], timeout=86_400)
            return "approved" if which == 0 else f"rejected: {payload}"
        ```
    """

    name: str
    model: Any = None

    def __post_init__(self) -> None:
        try:
            check_identifier(self.name, "name of a signal")
        except InvalidName as error:
            raise InvalidWait(error.message) from None


@dataclass(frozen=True, slots=True)
class At:
    """A moment.

    Args:
        moment: A datetime with a time zone. One that has passed holds at once.

    Raises:
        InvalidWait: It is no moment, or over 100 years away.
    """

    moment: datetime

    def __post_init__(self) -> None:
        check_moment(self.moment, "a moment to wait for")


@dataclass(frozen=True, slots=True)
class After:
    """A moment some time after the beginning of the wait.

    Args:
        duration: Seconds, or a timedelta.

    Raises:
        InvalidWait: It is no duration.
    """

    duration: float | timedelta

    def __post_init__(self) -> None:
        check_duration(self.duration, "the time to wait")


def check_name(name: object, whose: str) -> str:
    """Return a name.

    Raises:
        InvalidWait: It is no text, is empty, or longer than `MAXIMUM_NAME_LENGTH`.
    """
    if not isinstance(name, str) or not name or len(name) > MAXIMUM_NAME_LENGTH or not name.isprintable():
        message = f"the name of {whose} is printable text of 1 to {MAXIMUM_NAME_LENGTH} characters; got {name!r:.80}"
        raise InvalidWait(message)
    return name


def check_moment(moment: object, what: str) -> datetime:
    """Return a moment.

    Raises:
        InvalidWait: It is no datetime with a time zone.
    """
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        message = f"{what} is a datetime with a time zone, such as datetime.now(UTC) + …; got {moment!r}"
        raise InvalidWait(message)
    if moment - datetime.now(UTC) > timedelta(seconds=LONGEST):
        message = f"{what} is at most 100 years from now; got {moment!r}"
        raise InvalidWait(message)
    return moment


def check_duration(duration: float | timedelta, what: str) -> float:
    """Return a duration in seconds.

    Raises:
        InvalidWait: It is no duration.
    """
    try:
        return seconds(duration, what)
    except InvalidOption as error:
        raise InvalidWait(error.message) from None
