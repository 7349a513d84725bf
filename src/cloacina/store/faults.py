"""What an error of the database means: whether to try again, to refuse one unit of changes, or to give up."""

from __future__ import annotations

import sqlite3
import time
from enum import Enum, auto
from typing import TYPE_CHECKING

from cloacina.membrane import Log, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = Log("cloacina.store")

_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.5

_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_EXHAUSTED = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM})
_FATAL = frozenset(
    {
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)


class Fault(Enum):
    """What an error of the database means."""

    LOCKED = auto()
    """Somebody else is writing: the same transaction will succeed when they are done."""
    EXHAUSTED = auto()
    """No room, no memory, no descriptor or an I/O error: the same transaction may succeed later."""
    REFUSED = auto()
    """The database does not take these data: the same transaction can never succeed, others can."""
    FATAL = auto()
    """The database is unusable: nothing can be written any more."""


def driver_error(error: BaseException) -> sqlite3.Error | None:
    """Return the error of the database's driver that an error is, or that SQLAlchemy has wrapped in it; or None."""
    found = getattr(error, "orig", error)
    return found if isinstance(found, sqlite3.Error) else None


def fault_of(error: BaseException) -> Fault:
    """Classify an error that was raised while a database was opened or changes were written."""
    error = driver_error(error) or error
    # The low byte is the primary code; extended codes, such as SQLITE_BUSY_RECOVERY, only add to it.
    primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    if primary in _LOCKED:
        return Fault.LOCKED
    # What SQLite reports as SQLITE_NOMEM, its driver raises as MemoryError.
    if primary in _EXHAUSTED or isinstance(error, MemoryError):
        return Fault.EXHAUSTED
    return Fault.FATAL if primary in _FATAL else Fault.REFUSED


def pauses() -> Iterator[float]:
    """Yield the seconds to pause between tries, without end: short at first, then longer."""
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE)


class Patience:
    """Bounds for how long one transaction is tried again while the database is locked or has no room.

    Args:
        seconds: How long, from the first failure.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._give_up_at: float | None = None
        self._pauses = pauses()

    def pause_after(self, error: Exception) -> None:
        """Wait before the next try.

        Raises:
            Exception: The error: another try would not help, or has been made for long enough.
        """
        if fault_of(error) not in {Fault.LOCKED, Fault.EXHAUSTED}:
            raise error
        now = time.monotonic()
        is_first = self._give_up_at is None
        if self._give_up_at is None:
            self._give_up_at = now + self._seconds
        if now >= self._give_up_at:
            raise error
        if is_first:
            logger.warning("The database cannot be written (%s); trying for %g s", describe(error), self._seconds)
        time.sleep(next(self._pauses))
