"""The one source of time."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloacina.execution.event_loop import EventLoop, OneShot


class Clock(ABC):
    """What the engine asks for the time, and sleeps by.

    Attributes:
        seconds_between_looks: How often those who wait for a moment of `time()` look whether it was set; None when
            `sleep_until` returns at once then.
    """

    seconds_between_looks: float | None = 1.0

    @abstractmethod
    def time(self) -> float:
        """Return the wall-clock time in seconds since the epoch (UTC)."""

    @abstractmethod
    def monotonic(self) -> float:
        """Return a time in seconds that never goes back; only differences mean anything."""

    @abstractmethod
    async def sleep_until(self, moment: float, interrupted: OneShot[None]) -> None:
        """Return at a moment of `monotonic()`, or as soon as `interrupted` is set; it may return earlier.

        Args:
            moment: Seconds, on the scale of `monotonic()`; infinity for no moment.
            interrupted: Ends the sleep early.
        """

    @abstractmethod
    def watch(self, loop: EventLoop, is_idle: Callable[[], bool]) -> Callable[[], None]:
        """Take a runner's own word for whether anything but the passing of time can happen next.

        Args:
            loop: The event loop that the runner lives on.
            is_idle: Returns whether every task body is parked in a wait, and nothing is on its way to or from a thread.

        Returns:
            What the runner calls when it is closed.
        """

    @abstractmethod
    def reconsider(self) -> None:
        """Hear that a runner may have become idle. Called on the loop's thread."""


class SystemClock(Clock):
    """The real time."""

    def time(self) -> float:
        """Return the wall-clock time."""
        return time.time()

    def monotonic(self) -> float:
        """Return the time since some fixed moment."""
        return time.monotonic()

    async def sleep_until(self, moment: float, interrupted: OneShot[None]) -> None:
        """Sleep on the event loop."""
        with anyio.move_on_after(max(0.0, moment - time.monotonic())):
            await interrupted

    def watch(self, loop: EventLoop, is_idle: Callable[[], bool]) -> Callable[[], None]:  # noqa: ARG002 - as the docstring says
        """Watch nobody: real time passes by itself."""
        return _nothing

    def reconsider(self) -> None:
        """Do nothing, for the same reason."""


def _nothing() -> None:
    """End the watching of nobody."""
