"""Noticing that somebody has committed something, without reading what."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cloacina.errors import StoreUnavailable

if TYPE_CHECKING:
    from cloacina.store.connection import Connection
    from cloacina.store.database import Database


class Watch:
    """Tells whether somebody has committed something; any thread may ask.

    Args:
        database: In a file.

    Attributes:
        database: The same.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._is_closed = False

    def version(self) -> int:
        """Return a number that is another one when somebody has.

        Raises:
            StoreUnavailable: The database was closed, cannot be read, or its file was removed.
        """
        with self._lock:
            if self._is_closed:
                raise StoreUnavailable("The database has been closed, so it cannot be watched any more.")
            if self._connection is None:
                self._connection = self.database.connect()
            return self.database.data_version(self._connection)

    def close(self) -> None:
        """Close its connection."""
        with self._lock:
            self._is_closed = True
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
