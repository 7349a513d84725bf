"""The way from the loop to the writer's thread: what nobody waits for travels with what somebody does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cloacina.membrane import Log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloacina.execution.event_loop import EventLoop
    from cloacina.store.changes import Unit

logger = Log("cloacina.execution")


class Write(Protocol):
    """Queues a unit of changes, and returns at once."""

    def __call__(self, unit: Unit, on_commit: Callable[[], None] | None = None) -> None:
        """Queue changes of one execution; `on_commit` is called on the loop's thread when they are committed."""
        ...


class Journal:
    """Hands units of changes to the writer in the order in which they were made.

    A unit that nobody waits for, such as the start of a task, is held back for a turn of the loop: a body that awaits
    nothing has ended by then, and its start and its end are one transaction instead of two. (Measured: a third of the
    time of a no-op workflow.) They stay units of their own: what the database refuses takes no other with it.

    Args:
        loop: The loop whose turns count.
        write: The writer's: it takes units for one transaction, and what to call when the last of them is committed.
    """

    def __init__(self, loop: EventLoop, write: Callable[[Sequence[Unit], Callable[[], None] | None], None]) -> None:
        self._loop = loop
        self._write = write
        self._pending: list[Unit] = []
        self._is_flush_due = False
        self._is_closed = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held back."""
        return not self._pending

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more."""
        return self._is_closed

    def write(self, unit: Unit, on_commit: Callable[[], None] | None = None) -> None:
        """Queue changes of one execution that are to be stored together, or not at all.

        Args:
            unit: The changes, in order. It is the journal's from now on.
            on_commit: Called on the loop's thread when they are committed; with it, they are handed on at once.
        """
        if self._is_closed:
            logger.debug("%d changes came after the runner was left, and are not stored", len(unit))
            return
        self._pending.append(unit)
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
            self._write(pending, None)

    def close(self) -> None:
        """Hand on what is held back, and take no more: a thread that outlived the runner has nowhere to tell of it."""
        self.flush()
        self._is_closed = True

    def forked(self) -> None:
        """Take no more, and hand nothing on. Called in a forked child, whose parent does."""
        self._is_closed = True
        self._pending = []

    def _flush_is_due(self) -> None:
        self._is_flush_due = False
        self.flush()
