"""Heartbeats: what a body tells of how far it has come, and the time within which it has to.

A heartbeat is cheap, so that a loop may have one in each round: it writes down the moment and what was told, in any
thread. The store hears of the last one every few seconds, and when the attempt ends.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from cloacina.errors import HeartbeatTimeout
from cloacina.store import changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloacina.execution.clock import Clock
    from cloacina.execution.resources import Resources
    from cloacina.execution.task_execution import TaskExecution
    from cloacina.execution.waiting.timers import Timer, Timers
    from cloacina.store.changes import Change

FLUSH_SECONDS: Final = 5.0
_ROUNDING_SECONDS: Final = 1e-6


class Heartbeat:
    """The last heartbeat of a task.

    Attributes:
        at: When it came, in seconds since the epoch.
        details: What it told, JSON; of one that told nothing, what the one before did.
        is_stored: Whether the store has it, or is about to be told.
    """

    __slots__ = ("at", "details", "is_stored")

    def __init__(self, at: float, details: str | None, *, is_stored: bool) -> None:
        self.at = at
        self.details = details
        self.is_stored = is_stored


class Heartbeats:
    """The tasks of a runner that have beaten in their attempts of now, and the way of their heartbeats to the store.

    Args:
        resources: The clock, the timers and the writer.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._beating: dict[str, TaskExecution] = {}
        self._is_scheduled = False

    def beat(self, task: TaskExecution, details: str | None) -> None:
        """Take a heartbeat, in any thread.

        Args:
            task: Whose it is.
            details: What it tells, JSON; None for nothing.
        """
        now = self._resources.clock.time()
        heartbeat = task.heartbeat
        if heartbeat is None:
            heartbeat = task.heartbeat = Heartbeat(now, details, is_stored=True)
        heartbeat.at = now
        if details is not None:
            heartbeat.details = details
        if heartbeat.is_stored:
            # Later ones come to the store with this one, whichever is the last by then.
            heartbeat.is_stored = False
            self._resources.loop.post(partial(self._take, task))

    def of(self, task_execution_id: str) -> Heartbeat | None:
        """Return the last heartbeat of a task that has beaten in its attempt of now."""
        task = self._beating.get(task_execution_id)
        return None if task is None else task.heartbeat

    def end(self, task: TaskExecution) -> list[Change]:
        """Return what is to be stored of a task's heartbeats at the end of an attempt."""
        self._beating.pop(task.id, None)
        return _unstored(task)

    def _take(self, task: TaskExecution) -> None:
        if task.heartbeat is None or task.heartbeat.is_stored:  # The attempt has ended meanwhile.
            return
        self._beating[task.id] = task
        if not self._is_scheduled:
            self._is_scheduled = True
            self._resources.timers.call_after(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Store what is not stored yet, of all that have beaten."""
        self._is_scheduled = False
        for task in self._beating.values():
            if change := _unstored(task):
                self._resources.write(change)


def _unstored(task: TaskExecution) -> list[Change]:
    heartbeat = task.heartbeat
    if heartbeat is None or heartbeat.is_stored:
        return []
    # First, so that one that comes in this moment is not taken for this one.
    heartbeat.is_stored = True
    return [changes.heartbeat(task.id, task.execution_id, heartbeat.at, heartbeat.details)]


class Pulse:
    """The time within which a body that holds a slot has to beat again; it starts and stops on the loop's thread.

    Args:
        seconds: How much there is from one heartbeat to the next.
        clock: By which it passes.
        timers: What lets the end be noticed.
    """

    __slots__ = ("_beaten_at", "_clock", "_on_end", "_seconds", "_timer", "_timers")

    def __init__(self, seconds: float, clock: Clock, timers: Timers) -> None:
        self._seconds = seconds
        self._clock = clock
        self._timers = timers
        self._beaten_at = 0.0
        self._timer: Timer | None = None
        self._on_end: Callable[[], None] | None = None

    def start(self, on_end: Callable[[], None]) -> None:
        """Let the time pass; `on_end` is called when no heartbeat has come within it."""
        self._on_end = on_end
        self.beat()
        self._timer = self._timers.call_after(self._seconds, self._look)

    def stop(self) -> None:
        """Let the time stand still; nothing when it does."""
        if self._timer is not None:
            self._timers.disarm(self._timer)
            self._timer = None

    def beat(self) -> None:
        """Begin anew, in any thread."""
        self._beaten_at = self._clock.monotonic()

    def is_overdrawn(self) -> bool:
        """Return whether no heartbeat has come in time, by a look at the clock. In any thread."""
        return self._timer is not None and self._clock.monotonic() - self._beaten_at - self._seconds > _ROUNDING_SECONDS

    def error(self, task_id: str) -> HeartbeatTimeout:
        """Return the error of a task that has not beaten in time."""
        return HeartbeatTimeout(
            f"task {task_id!r} held its slot for longer than its heartbeat_timeout of {self._seconds:g} s without a "
            "heartbeat"
        )

    def _look(self) -> None:
        """End the time, unless a heartbeat has come since the timer was armed: then there is more."""
        left = self._beaten_at + self._seconds - self._clock.monotonic()
        if left > _ROUNDING_SECONDS:
            self._timer = self._timers.call_after(left, self._look)
            return
        self._timer = None
        if self._on_end is not None:
            self._on_end()
