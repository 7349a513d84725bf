"""Stores how often conditions were polled, and when they are next: every few seconds, not with each poll."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloacina.execution.resources import Resources
    from cloacina.execution.waiting.wait import Wait

FLUSH_SECONDS = 5.0
_AT_ONCE = 200
_PAUSE_SECONDS = 0.4
_NOTICED_SECONDS = 1.0


class PollFlush:
    """Writes the counts of polled waits in small portions, so that neither the loop nor the writer is held up.

    Args:
        resources: Holds the waits, and writes.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._pending: Iterator[Wait] = iter(())
        self._is_scheduled = False
        self._is_due_again = False
        self._wall_clock_ahead = self._ahead()

    def schedule(self) -> None:
        """Flush in a few seconds, unless that is coming already; called when a wait begins, and after each poll."""
        self._is_due_again = True
        if not self._is_scheduled:
            self._is_scheduled = True
            self._resources.timers.call_after(FLUSH_SECONDS, self._begin)

    def _begin(self) -> None:
        self._is_due_again = False
        waits = self._resources.waits.values()
        ahead = self._ahead()
        # The moments of the next polls are of the wall clock: when that was set, all that are stored are wrong.
        is_clock_set = abs(ahead - self._wall_clock_ahead) > _NOTICED_SECONDS
        self._wall_clock_ahead = ahead
        self._pending = iter(
            [
                wait
                for wait in waits
                if (polling := wait.polling) is not None and (is_clock_set or polling.polls != polling.flushed_polls)
            ]
        )
        self._go_on()

    def _go_on(self) -> None:
        waits = self._resources.waits
        portion = list(islice(self._pending, _AT_ONCE))
        for wait in portion:
            if wait.id in waits:
                self._resources.write((wait.state(),))
        if len(portion) == _AT_ONCE:
            self._resources.timers.call_after(_PAUSE_SECONDS, self._go_on)
            return
        self._is_scheduled = False
        if self._is_due_again:  # Polled after its portion was written, and perhaps not for a long time again.
            self.schedule()

    def _ahead(self) -> float:
        clock = self._resources.clock
        return clock.time() - clock.monotonic()
