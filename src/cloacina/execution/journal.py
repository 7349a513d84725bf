"""The way from the loop to the writer's thread: what nobody waits for travels with what somebody does."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloacina.execution.event_loop import EventLoop
    from cloacina.store.changes import Change

logger = logging.getLogger("cloacina.execution")


class Write(Protocol):
    """Queues changes for one transaction, and returns at once."""

    def __call__(self, changes: Sequence[Change], on_commit: Callable[[], None] | None = None) -> None:
        """Queue changes; `on_commit` is called on the loop's thread when they are committed."""
        ...


class Journal:
    """Hands changes to the writer in the order in which they were made.

    A change that nobody waits for, such as the start of a task, is held back for a turn of the loop: a body that awaits
    nothing has ended by then, and its start and its end are one transaction instead of two. (Measured: a third of the
    time of a no-op workflow.)

    Args:
        loop: The loop whose turns count.
        write: The writer's.
    """

    def __init__(self, loop: EventLoop, write: Write) -> None:
        self._loop = loop
        self._write = write
        self._pending: list[Change] = []
        self._is_flush_due = False
        self._is_closed = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held back."""
        return not self._pending

    def write(self, changes: Sequence[Change], on_commit: Callable[[], None] | None = None) -> None:
        """Queue changes that are to be committed together.

        Args:
            changes: The changes, in order.
            on_commit: Called on the loop's thread when they are committed; with it, they are handed on at once.
        """
        if self._is_closed:
            logger.debug("%d changes came after the runner was left, and are not stored", len(changes))
            return
        self._pending.extend(changes)
        if on_commit is not None:
            pending, self._pending = self._pending, []
            self._write(pending, on_commit)
        elif not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self._flush_is_due)

    def flush(self) -> None:
        """Hand on what is held back."""
        if self._pending:
            pending, self._pending = self._pending, []
            self._write(pending)

    def close(self) -> None:
        """Hand on what is held back, and take no more: a thread that outlived the runner has nowhere to tell of it."""
        self.flush()
        self._is_closed = True

    def _flush_is_due(self) -> None:
        self._is_flush_due = False
        self.flush()
