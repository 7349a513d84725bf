"""The one source of time."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloacina.execution.event_loop import OneShot


class Clock(ABC):
    """What the engine asks for the time, and sleeps by."""

    @abstractmethod
    def time(self) -> float:
        """Return the wall-clock time in seconds since the epoch (UTC)."""

    @abstractmethod
    def monotonic(self) -> float:
        """Return a time in seconds that never goes back; only differences mean anything."""

    @abstractmethod
    async def sleep_until(self, moment: float, interrupted: OneShot[None]) -> None:
        """Return at a moment of `monotonic()`, or as soon as `interrupted` is set.

        Args:
            moment: Seconds, on the scale of `monotonic()`; infinity for no moment.
            interrupted: Ends the sleep early.
        """

    def watch(self, is_idle: Callable[[], bool]) -> None:
        """Take the runner's own word for whether anything but the passing of time can happen next.

        Args:
            is_idle: Returns whether no task body runs, and nothing is on its way to or from a thread.
        """


class SystemClock(Clock):
    """The real time."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep_until(self, moment: float, interrupted: OneShot[None]) -> None:
        with anyio.move_on_after(max(0.0, moment - time.monotonic())):
            await interrupted
