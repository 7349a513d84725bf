"""Work of many small steps on the event loop's thread: a portion in each turn, so that others have theirs."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloacina.execution.bodies import Bodies
    from cloacina.execution.event_loop import EventLoop

STEPS_PER_TURN: Final = 250
"""How many tasks are made, started or ended before the loop gets its turn: a few milliseconds of work."""


def take_portion(steps: Iterator[object]) -> bool:
    """Take as many steps as one turn of the loop has time for; return whether there may be more."""
    return len(list(islice(steps, STEPS_PER_TURN))) == STEPS_PER_TURN


class NextTurn:
    """Calls a function in the next turn of the loop; virtual time waits for it, as for a body at work.

    Args:
        loop: Whose turn it is.
        bodies: Counts it.
        function: The function.
    """

    __slots__ = ("_bodies", "_function")

    def __init__(self, loop: EventLoop, bodies: Bodies, function: Callable[[], None]) -> None:
        self._bodies = bodies
        self._function = function
        bodies.go_on()
        loop.call_soon(self._call)

    def _call(self) -> None:
        try:
            self._function()
        finally:
            self._bodies.rest()
