"""The time for which an attempt may hold a slot: one budget for all its stretches."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from cloacina.errors import TaskTimeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloacina.execution.clock import Clock
    from cloacina.execution.waiting.timers import Timer, Timers

_ROUNDING_SECONDS: Final = 1e-6


class Budget:
    """The time of one attempt, which passes from `start` to `stop`; it starts and stops on the loop's thread.

    Args:
        seconds: How much there is.
        clock: By which it passes.
        timers: What lets the end be noticed while it passes.
    """

    __slots__ = ("_clock", "_left", "_seconds", "_since", "_timer", "_timers")

    def __init__(self, seconds: float, clock: Clock, timers: Timers) -> None:
        self._left = self._seconds = seconds
        self._clock = clock
        self._timers = timers
        self._since = 0.0
        self._timer: Timer | None = None

    def start(self, on_end: Callable[[], None]) -> None:
        """Let the time pass; `on_end` is called when nothing is left."""
        self._since = self._clock.monotonic()
        self._timer = self._timers.call_after(self._left, partial(self._end, on_end))

    def stop(self) -> None:
        """Let the time stand still; nothing when it does."""
        if self._timer is not None:
            self._timers.disarm(self._timer)
            self._timer = None
            self._left = max(0.0, self._left - (self._clock.monotonic() - self._since))

    def is_overdrawn(self) -> bool:
        """Return whether more has passed than there was, by a look at the clock: a timer may be late. In any thread."""
        spent = self._clock.monotonic() - self._since
        return self._timer is not None and spent - self._left > _ROUNDING_SECONDS

    def error(self, task_id: str) -> TaskTimeout:
        """Return the error of a task that has used up its time."""
        return TaskTimeout(f"task {task_id!r} held its slot for longer than its timeout of {self._seconds:g} s")

    def _end(self, on_end: Callable[[], None]) -> None:
        self._timer = None
        on_end()
