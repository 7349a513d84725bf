"""Which transactions of a connection wait for the disk, as SQLite itself tells what it executes."""

from __future__ import annotations

from typing import Any

FULL = 2
"""What `PRAGMA synchronous` returns while commits wait for the disk."""


class Syncs:
    """Listens to a connection.

    Args:
        driver: The driver's connection, on which no transaction is open.

    Attributes:
        found: Of each committed transaction its statements, and whether it waited for the disk.
    """

    def __init__(self, driver: Any) -> None:
        self.found: list[tuple[str, bool]] = []
        self._statements: list[str] = []
        self._is_waiting = driver.execute("PRAGMA synchronous").fetchone() == (FULL,)
        driver.set_trace_callback(self._trace)

    def of(self, text: str) -> list[bool]:
        """Return, of the transactions with a statement that holds a text, whether they waited."""
        return [is_synced for statements, is_synced in self.found if text in statements]

    def _trace(self, statement: str) -> None:
        if statement.startswith("PRAGMA synchronous = "):
            self._is_waiting = statement.endswith("FULL")
        elif statement == "COMMIT":
            self.found.append(("\n".join(self._statements), self._is_waiting))
            self._statements.clear()
        else:
            self._statements.append(statement)
