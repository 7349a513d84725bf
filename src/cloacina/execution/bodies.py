"""How many task bodies can go on by themselves: when none can, nothing but time brings anything new."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloacina.execution.clock import Clock


class Bodies:
    """Counts the bodies at work: those that have started, have not ended, and are not parked.

    Slots don't tell: a body works without one when it cleans up after its cancellation, and one that waits for a place
    to park in keeps its slot.

    Args:
        clock: Told when no body is at work any more.

    Attributes:
        at_work: How many there are.
    """

    __slots__ = ("_clock", "at_work")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.at_work = 0

    def go_on(self) -> None:
        """Count a body that starts, or goes on."""
        self.at_work += 1

    def rest(self) -> None:
        """Count a body that has ended, or is parked."""
        self.at_work -= 1
        if not self.at_work:
            self._clock.reconsider()
