"""Leaving a runner: what was submitted to it ends, or is cancelled; all the rest stays as it is stored, for others.

What a runner has taken up from elsewhere is never ended by its being left: it goes back, to be gone on with. Its bodies
are ended for that, and nothing of this is stored, as if the process had died in that moment; except that somebody else
may take it up at once, and that no task is blamed for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from cloacina.membrane import Log

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloacina.execution.journal import Journal
    from cloacina.execution.resources import Resources
    from cloacina.scheduling.scheduler import Scheduler
    from cloacina.store.store import Store

logger = Log("cloacina.leaving")

CLEANING_SECONDS = 5.0
"""How long bodies may clean up that were cancelled because the runner is left, since the last of them has ended."""
BROKEN_DOWN_SECONDS = 30.0
"""How long a runner that has broken down waits for bodies that clean up."""
FIRST_WORD_SECONDS = 5.0
"""How long one who is left says nothing; then longer and longer."""
LONGEST_SILENCE_SECONDS = 600.0


class Leaving:
    """The ways in which a runner is left, each of them bounded, or telling now and then what it waits for.

    Args:
        scheduler: What runs the executions.
        resources: What they run on.
        journal: Takes what is to be stored of them.
        store: Where that goes.
        grace: For how many seconds bodies may go on.
    """

    def __init__(
        self, scheduler: Scheduler, resources: Resources, journal: Journal, store: Store, grace: float
    ) -> None:
        self._scheduler = scheduler
        self._resources = resources
        self._journal = journal
        self._store = store
        self._grace = grace
        self._is_urgent = self._is_begun = False
        self.on_closed: Callable[[], None] = _nothing
        """Called when bodies had their time: from then on, nobody can use the runner."""

    async def wait(self) -> None:
        """Return when all that was submitted here has ended, or the runner has broken down."""
        scheduler = self._scheduler
        message = "the runner is left when what was submitted to it has ended; it waits for %s"
        await self._until(lambda: scheduler.is_own_over or scheduler.failure is not None, message)

    async def cancel(self) -> None:
        """Cancel what was submitted here; return when all of it has ended.

        When the runner has broken down, that is bounded: somebody waits for its failure.
        """
        self._is_urgent = True
        scheduler = self._scheduler
        await scheduler.cancel(scheduler.own)
        message = "the runner is left when the tasks that it has cancelled have cleaned up; it waits for %s"
        await self._until(lambda: scheduler.is_own_over or scheduler.failure is not None, message)
        if len(scheduler) and scheduler.failure is not None:
            if (bodies := scheduler.bodies()) is not None:
                message = "waiting up to %g s for tasks that clean up after the runner has broken down: %s"
                logger.warning(message, BROKEN_DOWN_SECONDS, bodies)
            await self._wait_for_cleaning(BROKEN_DOWN_SECONDS)

    def hasten(self) -> None:
        """Give bodies no more time: somebody is in a hurry."""
        self._is_urgent = True
        self._scheduler.look()

    async def leave(self) -> None:
        """Begin nothing more, give the bodies their time, and end those that go on after it.

        What is left of the executions in the scheduler are those with a body that has not ended even then. Called anew
        after an interruption, it gives the bodies no more time.
        """
        scheduler = self._scheduler
        self._is_urgent, self._is_begun = self._is_urgent or self._is_begun, True
        if len(scheduler) and scheduler.failure is None:
            await self._wait_for_bodies()
        self.on_closed()
        scheduler.is_closed = True
        self._resources.heartbeats.flush()
        self._journal.close()
        if not len(scheduler) or scheduler.failure is not None:
            return
        await self._until_stored()
        await scheduler.leave()
        await self._wait_for_cleaning(CLEANING_SECONDS)

    async def _wait_for_bodies(self) -> None:
        scheduler, resources = self._scheduler, self._resources
        resources.slots.stop(scheduler.look)
        at_work = [each for run in scheduler.runs for each in run.bodies if each.is_at_work]
        if not at_work:
            return
        timer = resources.timers.call_after(self._grace, self.hasten)
        message = f"the runner is left, and gives tasks up to {self._grace:g} s to end or to wait: %s"

        def have_had_their_time() -> bool:
            return self._is_urgent or scheduler.failure is not None or not any(each.is_at_work for each in at_work)

        try:
            await self._until(have_had_their_time, message)
        finally:
            resources.timers.disarm(timer)

    async def _until_stored(self) -> None:
        """Return when all is committed that was queued before, and those who wait for that have been told."""
        scheduler, is_stored = self._scheduler, False

        def stored() -> None:
            nonlocal is_stored
            is_stored = True
            scheduler.look()

        self._store.write((), stored)
        await scheduler.until(lambda: is_stored or scheduler.failure is not None)

    async def _wait_for_cleaning(self, seconds: float) -> None:
        """Return when all bodies have ended, or for some seconds none has."""
        scheduler, before = self._scheduler, len(self._scheduler) + 1
        while before > len(scheduler) > 0:
            before = len(scheduler)
            with anyio.move_on_after(seconds):
                await scheduler.until(lambda: not len(scheduler))
        if (bodies := scheduler.bodies()) is not None:
            logger.error("the runner is left while tasks still clean up, without their slots: %s", bodies)

    async def _until(self, is_reached: Callable[[], bool], message: str) -> None:
        """Return when something is so; tell now and then what is waited for."""
        scheduler, silence = self._scheduler, FIRST_WORD_SECONDS
        while not is_reached():
            with anyio.move_on_after(silence) as patience:
                await scheduler.until(is_reached)
            if patience.cancelled_caught:
                logger.warning(message, scheduler.bodies() or f"{len(scheduler)} executions, none of them at work")
                silence = min(2 * silence, LONGEST_SILENCE_SECONDS)


def _nothing() -> None:
    """Nobody wants to know."""
