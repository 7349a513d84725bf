"""How many task bodies can go on by themselves: when none can, nothing but time brings anything new."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloacina.execution.clock import Clock


class Bodies:
    """Counts the bodies at work: those that have started, have not ended, and are not parked.

    Slots don't tell: a body works without one when it cleans up after its cancellation, and one that waits for a place
    to park in keeps its slot.

    Args:
        clock: Told when no body is at work any more.

    Attributes:
        at_work: How many there are.
        on_work: Called, once, when the next body goes on, if somebody sleeps until then.
    """

    __slots__ = ("_clock", "at_work", "on_work")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.at_work = 0
        self.on_work: Callable[[], None] | None = None

    def go_on(self) -> None:
        """Count a body that starts, or goes on."""
        self.at_work += 1
        if (on_work := self.on_work) is not None:
            self.on_work = None
            on_work()

    def rest(self) -> None:
        """Count a body that has ended, or is parked."""
        self.at_work -= 1
        if not self.at_work:
            self._clock.reconsider()
