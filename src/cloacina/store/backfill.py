"""Moves what is committed from the write-ahead log into the database's file, beside the writer.

SQLite does that by itself, in the commit that finds a thousand pages in the log. Whoever waits for that one waits for
the copying of the pages and for the disk as well: of 70 small executions one after another, one took 25 times as long
as the others. A connection of its own copies while others write. In a commit SQLite does it only when that does not
keep up: see `connect`.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from cloacina.errors import ThreadUnavailable
from cloacina.membrane import Log
from cloacina.store import forks
from cloacina.store.threads import start_daemon

if TYPE_CHECKING:
    from cloacina.store.database import Database

logger = Log("cloacina.store")

# Some five pages each. Small programs end before that, and never start the thread.
_UNITS = 400


class Backfill:
    """A thread that moves what was committed, each time that there is enough of it.

    Args:
        database: Whose log it is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._units = 0
        self._is_due = threading.Event()
        self._is_closed = database.is_in_memory
        self._thread: threading.Thread | None = None

    def committed(self, units: int) -> None:
        """Count what was committed; on one thread only."""
        self._units += units
        if self._units >= _UNITS and not self._is_closed:
            self._units = 0
            if self._thread is None:
                # Without a thread it is done in a commit, and later.
                with suppress(ThreadUnavailable):
                    self._thread = start_daemon(self._serve, "cloacina-backfill")
            self._is_due.set()

    def close(self) -> None:
        """End the thread. Blocks."""
        self._is_closed = True
        self._is_due.set()
        if self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        try:
            connection = self._database.connect()
            try:
                while self._is_due.wait() and not self._is_closed:
                    self._is_due.clear()
                    self._database.checkpoint(connection, while_others_write=True)
            finally:
                with forks.uses_of_sqlite:
                    connection.close()
        except Exception as error:  # noqa: BLE001 - nothing is lost: it is done in a commit, and at the end
            self._is_closed = True
            logger.warning("The write-ahead log of %s cannot be emptied meanwhile: %s", self._database.address, error)
