"""Connections to SQLite: how a file is created, and the settings that every connection needs."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from typing import TYPE_CHECKING

from cloacina.errors import StoreUnavailable
from cloacina.store import forks
from cloacina.store.syncing import Durability, Syncing

if TYPE_CHECKING:
    from pathlib import Path

    from cloacina.store.address import Address

# How long SQLite itself waits for a lock, in seconds. Short: what may take longer is tried again by the caller.
_BUSY_TIMEOUT = 1.0
# Eight times SQLite's own. With ids that sort by time more gains nothing (measured to 100 000 executions), and every
# connection for reading has a cache too.
_CACHE_KIB = 16_384
# So many pages in the write-ahead log are moved in a commit. `backfill` has moved them before, unless it is far behind.
_MOST_PAGES = 8_000
# What the write-ahead log is cut back to after a burst.
_JOURNAL_BYTES = 67_108_864

# Closing any descriptor of a file drops all locks that this process holds on it (POSIX), those of SQLite too. So a
# file is opened by hand only while it is certainly new, and nobody in this process connects to it meanwhile.
_creating = threading.Lock()


def _begin_anew() -> None:
    global _creating  # noqa: PLW0603 - a thread that the forked child does not have may hold the old one
    _creating = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def create_file(path: Path) -> None:
    """Create an empty file that only its owner may read and write, unless there is one already.

    SQLite would create it with the permissions that the umask allows, and gives its companions (`-wal`, `-shm`) the
    permissions of the file.

    Raises:
        StoreUnavailable: The folder does not exist or cannot be written, or the path is not that of a file.
    """
    try:
        if not path.parent.is_dir():
            raise StoreUnavailable(f"Cannot open the database {path}: there is no folder {path.parent}; create it.")
        with _creating, contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        if not path.is_file():
            raise StoreUnavailable(f"Cannot open the database {path}: it is not a file.")
    except OSError as error:
        raise StoreUnavailable(f"Cannot open the database {path}: {error.strerror or error}.") from error


def connect(address: Address, durability: Durability) -> forks.TrackedConnection:
    """Return a connection of the driver, in autocommit mode.

    The standard library's way of beginning transactions on its own begins them too late for reads, and never as
    `IMMEDIATE`.
    """
    path = address.path
    # mode=rw: a file that was removed is an error, not an empty database.
    connection = sqlite3.connect(
        ":memory:" if path is None else f"{path.as_uri()}?mode=rw",
        timeout=_BUSY_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
        uri=path is not None,
        factory=forks.TrackedConnection,
    )
    try:
        if path is not None:
            forks.track(connection, path)
        connection.execute("PRAGMA foreign_keys = ON")
        Syncing(connection, durability)
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_MOST_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}")
    except BaseException:
        connection.close()
        raise
    return connection
