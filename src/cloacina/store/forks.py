"""What a forked child inherits of its parent, and must leave alone.

A fork copies what SQLite remembers of its files, and not the locks that it holds on them. Whatever the child does with
an inherited connection, and with any other connection to the same file, is done without a lock: changes that others
have committed are lost, and the file is damaged. Closing an inherited connection is enough, if SQLite takes it for the
last one. No call makes SQLite forget. So the child keeps what it inherited for ever, unused and unclosed, and does not
open those files again. A program that the child turns into (`exec`) remembers nothing and is free.

Only the thread that forked goes on in the child. A lock that another thread held is never given up there, and SQLite
has such, whatever the database: for its memory, for one. So a fork waits until no thread is at work in SQLite.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeAlias
from weakref import WeakSet

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

FileIdentity: TypeAlias = tuple[int, int]
"""The device and the inode of a file: the same by whatever path it is reached."""

_PATIENCE_SECONDS = 2.0


class Inheritance(Protocol):
    """What belongs to the process that made it."""

    def forked(self) -> None:
        """Refuse every use from now on. Called in a forked child, which is where this is a copy."""
        ...


class _Uses:
    """The stretches in which threads use SQLite, each a `with` block; they are not nested.

    Every transaction has one, so counting is a matter of lists, which change at once: there is a lock only for those
    who wait. Who begins is counted first and then looks for a fork; a fork is announced first and then looks for who is
    counted.
    """

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget the stretches of threads that a forked child does not have."""
        self._changed = threading.Condition(threading.Lock())
        self._users: list[None] = []
        self._forks: list[None] = []

    def __enter__(self) -> None:
        self._users.append(None)
        while self._forks:
            self.__exit__(None, None, None)
            with self._changed:
                self._changed.wait_for(lambda: not self._forks, _PATIENCE_SECONDS)
            self._users.append(None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._users.pop()
        if self._forks:
            with self._changed:
                self._changed.notify_all()

    def pause(self) -> None:
        """Let none begin, and wait until those that have begun are over; for a while only, if one lasts."""
        self._forks.append(None)
        # A signal handler that forks may have interrupted one who holds the lock.
        if self._users and self._changed.acquire(timeout=_PATIENCE_SECONDS):
            self._changed.wait_for(lambda: not self._users, _PATIENCE_SECONDS)
            self._changed.release()

    def go_on(self) -> None:
        """Let those begin that have been waiting."""
        self._forks.pop()
        if self._changed.acquire(timeout=_PATIENCE_SECONDS):
            self._changed.notify_all()
            self._changed.release()


class TrackedConnection(sqlite3.Connection):
    """A connection to SQLite that a forked child finds.

    Attributes:
        file: What it is connected to; None for a database in memory.
    """

    file: FileIdentity | None = None


def identity_of(path: Path) -> FileIdentity:
    """Return which file is at a path now."""
    found = path.stat()
    return found.st_dev, found.st_ino


def track(connection: TrackedConnection, path: Path) -> None:
    """Let forked children know that a file is open, and keep the connection to it."""
    connection.file = identity_of(path)
    _connections.add(connection)


def tell_children(inheritance: Inheritance) -> None:
    """Let forked children refuse something, until it is forgotten or gone."""
    _inheritances.add(inheritance)


def forget(inheritance: Inheritance) -> None:
    """Let forked children take something for what it is there: closed."""
    _inheritances.discard(inheritance)


def is_inherited(file: FileIdentity) -> bool:
    """Return whether a file was open in another process when this one was forked from it."""
    return file in _inherited_files


uses_of_sqlite = _Uses()
"""Entered by whoever uses SQLite, for as long as that takes: a fork waits for its end."""

_connections: WeakSet[TrackedConnection] = WeakSet()
_inheritances: WeakSet[Inheritance] = WeakSet()
_inherited_files: set[FileIdentity] = set()
_kept: list[object] = []


def _in_child() -> None:
    # The threads that were counted don't exist here.
    uses_of_sqlite.begin_anew()
    for connection in list(_connections):
        if _is_open(connection):
            _keep(connection)
            if connection.file is not None:
                _inherited_files.add(connection.file)
    for inheritance in list(_inheritances):
        _keep(inheritance)
        inheritance.forked()
    # What the child opens is its own.
    _connections.clear()
    _inheritances.clear()


def _is_open(connection: TrackedConnection) -> bool:
    try:
        _ = connection.total_changes
    except sqlite3.ProgrammingError:
        return False
    return True


def _keep(inherited: object) -> None:
    """Keep something for ever, beyond the end of the interpreter: then the list is emptied, and all in it is closed."""
    _kept.append(inherited)
    with suppress(ImportError, AttributeError):  # On Pythons that close nothing when they end.
        import ctypes  # noqa: PLC0415 - it takes a while to load, and few processes fork with a database open

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=uses_of_sqlite.pause, after_in_parent=uses_of_sqlite.go_on, after_in_child=_in_child)
