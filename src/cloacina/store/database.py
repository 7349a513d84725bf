"""Opening a database, and reading from it."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar, cast, get_args

from cloacina.errors import InvalidOption, StoreUnavailable, StoreWriteFailed, join_names
from cloacina.store import forks
from cloacina.store.address import Address
from cloacina.store.connect import connect, create_file
from cloacina.store.connection import Connection
from cloacina.store.faults import Fault, Patience, driver_error, fault_of, pauses
from cloacina.store.schema import bring_up_to_date, stored_revision
from cloacina.store.syncing import Durability

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")

# Seconds that opening waits for a lock of another process.
_OPENING_PATIENCE = 10.0
_SECONDS_BETWEEN_LOOKS = 1.0
_MOST_IDLE = 5

RETRY_SECONDS = 30.0
"""How long a transaction is tried again while the database is locked or has no room."""


class Database:
    """An open database with the newest schema.

    Attributes:
        address: Where it is.
        durability: Which of its commits wait for the disk.
    """

    def __init__(self, address: Address, durability: Durability) -> None:
        self.address = address
        self.durability: Durability = durability
        self._identity = None if address.path is None else forks.identity_of(address.path)
        self._next_look = 0.0
        # Of a database in memory there is one connection, in use or not.
        self._idle: list[Connection] = []
        self._is_closed = False
        self._process = os.getpid()
        self._is_inherited = False
        forks.tell_children(self)

    @classmethod
    def open(cls, url: str | Path, durability: Durability = "full") -> Database:
        """Open a database; create it, or bring its schema up to date, when that is needed.

        Args:
            url: `sqlite:///file.db` (relative), `sqlite:////folder/file.db` (absolute), `sqlite://` (in memory) or
                the path of a file.
            durability: `full` outlives a power failure with all that somebody was told; `fast` only the death of the
                process.

        Raises:
            InvalidOption: `durability` is neither of the two.
            UnsupportedDatabase: The address names no SQLite database.
            StoreUnavailable: The file cannot be opened, is not a SQLite database or is another program's; or it was
                open in the process that this one was forked from.
            StoreTooNew: The database was written by a newer version of Cloacina.
        """
        if durability not in get_args(Durability):
            raise InvalidOption(f"durability is {durability!r}; expected one of {join_names(get_args(Durability))}.")
        address = Address.parse(url)
        if address.path is not None:
            create_file(address.path)
            _refuse_if_inherited(address.path)
        database = cls(address, durability)
        try:
            with database.explaining("opened"):
                database._prepare()
        except BaseException:
            database.close()
            raise
        return database

    @property
    def is_in_memory(self) -> bool:
        """Whether the database is in memory, where all connections are one."""
        return self.address.path is None

    @contextmanager
    def explaining(self, what: str) -> Generator[None]:
        """Turn the database's errors into `StoreUnavailable`, which says what could not be done.

        Args:
            what: What is done to the database, as in "could not be ...".

        Raises:
            StoreUnavailable: The database raised an error, which is the cause; or it belongs to the process that this
                one was forked from.
        """
        if self._is_inherited:
            raise StoreUnavailable(
                f"The database {self.address} was opened in process {self._process}, and this is process "
                f"{os.getpid()}, forked from it; open it after the fork."
            )
        try:
            yield
        except Exception as error:
            if (cause := driver_error(error)) is None:
                raise
            message = f"The database {self.address} could not be {what}: {cause}.{self._foreign_companion()}"
            raise StoreUnavailable(message) from error

    def _foreign_companion(self) -> str:
        """Say which companion of the file this user may not use: another one has left it behind, perhaps by reading."""
        path = self.address.path
        companions = () if path is None else (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
        for companion in companions:
            if companion.exists() and not os.access(companion, os.R_OK | os.W_OK):
                return f" Its companion {companion} is another user's: correct the owner or the permissions of both."
        return ""

    def connect(self) -> Connection:
        """Return a connection that nobody uses; closing it gives it back.

        Raises:
            StoreUnavailable: The file was removed or cannot be opened any more.
        """
        with self.explaining("opened"), forks.uses_of_sqlite:
            return self._connection()

    def _connection(self) -> Connection:
        if self.is_in_memory and self._idle:
            return self._idle[0]
        with suppress(IndexError):  # Another thread may have taken the last one.
            return self._idle.pop()
        connection = Connection(connect(self.address, self.durability), self._take_back)
        if self.is_in_memory:
            self._idle.append(connection)
        return connection

    def _take_back(self, connection: Connection) -> None:
        if not self.is_in_memory:
            if self._is_closed or len(self._idle) >= _MOST_IDLE:
                connection.disconnect()
            else:
                self._idle.append(connection)

    def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query in a read transaction of its own, so that all it reads is of one moment.

        Raises:
            StoreUnavailable: The database cannot be read.
        """
        with self.explaining("read"), forks.uses_of_sqlite, self._connection() as connection:
            connection.run("BEGIN")
            try:
                return query(connection, *args, **kwargs)
            finally:
                connection.rollback()

    def write(self, request: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function in a transaction of its own that writes, on a connection of its own; see `transact`."""
        with self.connect() as connection:
            return self.transact(connection, RETRY_SECONDS, request, *args, **kwargs)

    def transact(
        self,
        connection: Connection,
        retry_for: float,
        request: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run a function in a transaction that writes, and commit what it has written; nothing when it raises.

        Args:
            connection: One that no transaction is open on.
            retry_for: For how many seconds it is tried again while the database is locked or has no room.
            request: A function of the connection, which is called anew for each try.
            args: Its other arguments.
            kwargs: As above.

        Raises:
            StoreWriteFailed: The database cannot be written, or refused what the function wrote.
        """
        patience = Patience(retry_for)
        try:
            self.check_in_place(at_once=True)
            while True:
                try:
                    with forks.uses_of_sqlite, connection.transaction():
                        return request(connection, *args, **kwargs)
                except Exception as error:
                    if driver_error(error) is None:
                        raise
                    patience.pause_after(error)
        except Exception as error:
            reason = error if isinstance(error, FileNotFoundError) else driver_error(error)
            if reason is None:
                raise
            raise StoreWriteFailed(f"Nothing was written to {self.address}: {reason}.") from error

    @contextmanager
    def without_foreign_keys(self, connection: Connection) -> Generator[None]:
        """Check no foreign keys on a connection meanwhile, for one who deletes rows with all that refer to them.

        For every deleted task SQLite would read all of the waits: they have no index by task, which each wait would pay
        for.

        Args:
            connection: One that no transaction is open on.
        """
        with self.explaining("opened"):
            connection.run("PRAGMA foreign_keys = OFF")
        try:
            yield
        finally:
            with self.explaining("opened"):
                connection.run("PRAGMA foreign_keys = ON")

    def data_version(self, connection: Connection) -> int:
        """Return a number that is another one after a commit on any other connection, of any process.

        Args:
            connection: The same one each time, and nothing else is done on it.

        Raises:
            StoreUnavailable: The database cannot be read, or its file was removed or replaced.
        """
        try:
            self.check_in_place()
        except FileNotFoundError as error:
            raise StoreUnavailable(f"The database {self.address} could not be read: {error}.") from error
        with self.explaining("read"), forks.uses_of_sqlite:
            (version,) = connection.run("PRAGMA data_version").fetchone()
        return cast("int", version)

    def check_in_place(self, *, at_once: bool = False) -> None:
        """Check, at most once a second, that the file is still the one that was opened.

        SQLite goes on writing to a file that was removed, and all of it would be lost in silence.

        Args:
            at_once: Look even if the last look was less than a second ago.

        Raises:
            FileNotFoundError: The file was removed or replaced.
        """
        path = self.address.path
        now = time.monotonic()
        if path is None or (now < self._next_look and not at_once):
            return
        self._next_look = now + _SECONDS_BETWEEN_LOOKS
        if not path.exists() or forks.identity_of(path) != self._identity:
            raise FileNotFoundError(f"the file {path} was removed or replaced while it was open")

    def checkpoint(self, connection: Connection, *, while_others_write: bool = False) -> None:
        """Move what the write-ahead log holds into the database's file, as far as readers let it.

        Args:
            connection: The connection that does it.
            while_others_write: Whether nobody has to wait for it. Otherwise the log is emptied, too.

        Raises:
            sqlite3.Error: The database raised an error.
        """
        if not self.is_in_memory:
            with forks.uses_of_sqlite:
                mode = "PASSIVE" if while_others_write else "TRUNCATE"
                connection.run(f"PRAGMA wal_checkpoint({mode})").fetchone()

    def close(self) -> None:
        """Close the connections that are not in use; nothing in a forked child, which must not close them."""
        if not self._is_inherited:
            forks.forget(self)
            self._is_closed = True
            with forks.uses_of_sqlite:
                while self._idle:
                    self._idle.pop().disconnect()

    def forked(self) -> None:
        """Refuse every use from now on; see `forks`."""
        self._is_inherited = True

    def _prepare(self) -> None:
        give_up_at = time.monotonic() + _OPENING_PATIENCE
        pausing = pauses()
        while True:
            try:
                return self._ensure_schema()
            except Exception as error:
                if fault_of(error) is not Fault.LOCKED or time.monotonic() >= give_up_at:
                    raise
            time.sleep(next(pausing))

    def _ensure_schema(self) -> None:
        with self.connect() as connection, forks.uses_of_sqlite:
            # Looked at before anything is changed: a database of another program stays as it is.
            stored_revision(connection, self.address)
            if not self.is_in_memory:
                self._use_write_ahead_log(connection)
            # Of several processes that open a new file at once, one creates the schema and the others find it.
            with connection.transaction():
                bring_up_to_date(connection, self.address)

    def _use_write_ahead_log(self, connection: Connection) -> None:
        (mode,) = connection.run("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreUnavailable(
                f"Cannot use {self.address}: its journal mode is {mode!r} and cannot be changed to 'wal'; "
                "keep the database on a local file system."
            )


def _refuse_if_inherited(path: Path) -> None:
    if forks.is_inherited(forks.identity_of(path)):
        raise StoreUnavailable(
            f"The database {path} was open in the process from which this one, {os.getpid()}, was forked, and SQLite "
            "would use it here without its locks, and damage it; open it after the fork only, or start processes by "
            "the method 'spawn' (multiprocessing) or as programs of their own."
        )
