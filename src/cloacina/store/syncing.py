"""Which commits wait until they are on the disk: those of what somebody is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import sqlite3

Durability: TypeAlias = Literal["full", "fast"]
"""`full` outlives a power failure with all that somebody was told; `fast` only the death of the process."""


class Syncing:
    """Switches a connection between commits that wait for the disk, and others.

    A commit that waits takes with it all that was committed before, by any connection: the write-ahead log is one file.

    Args:
        connection: The driver's, in autocommit mode.
        durability: With `fast`, no commit waits.
    """

    __slots__ = ("_connection", "_is_full", "_is_waiting")

    def __init__(self, connection: sqlite3.Connection | Any, durability: Durability) -> None:
        self._connection = connection
        self._is_full = self._is_waiting = durability == "full"
        self._set()

    def before_commit(self, *, is_told: bool) -> None:
        """Let the next transaction, which is not begun yet, wait for the disk if somebody is told of it."""
        if self._is_full and is_told is not self._is_waiting:
            self._is_waiting = is_told
            self._set()

    def _set(self) -> None:
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if self._is_waiting else 'NORMAL'}")
