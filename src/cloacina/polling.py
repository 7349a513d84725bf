"""How often a wait calls its condition, where one interval for all calls does not do."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Final, Literal

from cloacina.errors import InvalidOption
from cloacina.retry import backed_off, checked_backoff, checked_number, seconds

if TYPE_CHECKING:
    from datetime import timedelta

_random: Final = Random()  # noqa: S311 - spreads polls, guards nothing

_SHORTEST: Final = 0.001


@dataclass(frozen=True, slots=True, init=False)
class PollPolicy:
    """How often a wait calls its condition, and how many times: `defer_until(condition, poll=PollPolicy(...))`.

    Args:
        interval: Seconds, or a timedelta, between the end of the first call and the second; at least a millisecond.
        backoff: `"fixed"`: every interval is the same. `"exponential"`: each is `multiplier` times the one before.
        multiplier: The factor of exponential backoff, at least 1.
        max_interval: Seconds, or a timedelta, that no interval exceeds. Without it, a year.
        jitter: The fraction of an interval that is left to chance, 0 to 1: with 0.25 one of 8 s lasts between 6 s and
            8 s. It keeps many tasks that wait for one service from calling it all at once.
        max_polls: How often the condition is called in all, the call at once included. If it does not hold by then, the
            wait is out of time: `WaitTimeout`, or its `default`. None for no limit.

    Raises:
        InvalidOption: An argument is out of its range.

    Example:
        ```python
        from random import Random

        from cloacina import PollPolicy

        policy = PollPolicy(2, backoff="exponential", max_interval=10)
        print([policy.interval_after(poll, Random(0)) for poll in range(1, 6)])
        #> [2.0, 4.0, 8.0, 10.0, 10.0]
        ```
    """

    interval: float
    backoff: Literal["fixed", "exponential"]
    multiplier: float
    max_interval: float | None
    jitter: float
    max_polls: int | None

    def __init__(
        self,
        interval: float | timedelta = 1.0,
        *,
        backoff: Literal["fixed", "exponential"] = "fixed",
        multiplier: float = 2.0,
        max_interval: float | timedelta | None = None,
        jitter: float = 0.0,
        max_polls: int | None = None,
    ) -> None:
        fields: dict[str, Any] = {
            "interval": seconds(interval, "interval", minimum=_SHORTEST),
            "backoff": checked_backoff(backoff),
            "multiplier": checked_number(multiplier, "multiplier", 1.0, 1e6),
            "max_interval": None if max_interval is None else seconds(max_interval, "max_interval", minimum=_SHORTEST),
            "jitter": checked_number(jitter, "jitter", 0.0, 1.0),
            "max_polls": _count(max_polls),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def interval_after(self, poll: int, random: Random) -> float:
        """Return how many seconds to wait after a call.

        Args:
            poll: The number of the call, from 1.
            random: The source of chance for the jitter.
        """
        multiplier = self.multiplier if self.backoff == "exponential" else 1.0
        interval = backed_off(self.interval, multiplier, poll, self.max_interval)
        return max(_SHORTEST, interval * (1.0 - self.jitter * random.random()))


def milliseconds_after(policy: PollPolicy, poll: int) -> int:
    """Return how many whole milliseconds to wait after a call, by a policy.

    Args:
        policy: The wait's.
        poll: The number of the call, from 1.
    """
    return max(1, round(policy.interval_after(poll, _random) * 1000))


def _count(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise InvalidOption(f"max_polls is {value!r}. Expected how often to call the condition in all, 1 or more, or None")
