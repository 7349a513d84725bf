"""Deleting what ended longer ago than a runner is asked to keep it, a few at a time while it is at work."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from cloacina.errors import StoreError
from cloacina.membrane import Log

if TYPE_CHECKING:
    from cloacina.execution.clock import Clock
    from cloacina.store.pruning import Pruning
    from cloacina.store.store import Store

logger = Log("cloacina.scheduling")

LOOK_AGAIN_SECONDS = 3_600.0
"""How long after everything old is deleted a runner looks again."""


class Retention:
    """Prunes a database in the steps of somebody who looks now and then.

    Args:
        store: The database, started.
        kept: For how many seconds executions are kept that have ended.
        clock: The runner's, by which they have.
    """

    def __init__(self, store: Store, kept: float, clock: Clock) -> None:
        self._store = store
        self._kept = kept
        self._clock = clock
        self._pruning: Pruning | None = None
        self._next_look = 0.0

    def look(self) -> None:
        """Delete a few executions, if that is due. Blocks until their transaction has had its turn."""
        if monotonic() < self._next_look:
            return
        pruning = self._pruning or self._store.pruning(self._clock.time() - self._kept)
        try:
            is_more = self._store.prune(pruning)
        except StoreError as error:
            logger.warning("executions that ended long ago cannot be deleted: %s", error)
            is_more = False
        self._pruning = pruning if is_more else None
        self._next_look = monotonic() + (pruning.pause if is_more else LOOK_AGAIN_SECONDS)
        if pruning.deleted and not is_more:
            logger.info("%d executions that had ended more than %g s ago are deleted", pruning.deleted, self._kept)
