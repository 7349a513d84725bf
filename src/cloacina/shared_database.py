"""The database of a client: opened when it is first used, by any thread, and asked about what others do with it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from cloacina.asking import check_target
from cloacina.errors import StoreUnavailable, UnsupportedDatabase
from cloacina.execution.ids import follow
from cloacina.membrane import Log
from cloacina.retry import seconds
from cloacina.store import queries, requests
from cloacina.store.address import Address
from cloacina.store.database import Database
from cloacina.store.wake import wake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta
    from pathlib import Path

    from sqlalchemy import Connection

    from cloacina.asking import Request
    from cloacina.configuration import Configuration
    from cloacina.store.queries import Target
    from cloacina.store.records import ExecutionResult
    from cloacina.store.requests import Outcome

P = ParamSpec("P")
T = TypeVar("T")

logger = Log("cloacina.client")

_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.1


class SharedDatabase:
    """A database that others run executions of.

    Args:
        configuration: Which it is.

    Raises:
        UnsupportedDatabase: It is in memory, or no SQLite database.

    Attributes:
        path: Its file.
    """

    def __init__(self, configuration: Configuration) -> None:
        path = Address.parse(configuration.database).path
        if path is None:
            message = (
                "A client needs a database that it shares with a runner, and one in memory belongs to its runner alone;"
                " name a file, as in sqlite:///reports.db"
            )
            raise UnsupportedDatabase(message)
        self.path: Path = path
        self._configuration = configuration
        self._lock = threading.Lock()
        self._database: Database | None = None
        self._watching: Connection | None = None
        self._is_closed = False

    def open(self) -> Database:
        """Return the database, opened.

        Raises:
            StoreError: It cannot be opened, or was closed.
        """
        with self._lock:
            if self._is_closed:
                raise StoreUnavailable("This client has been closed; make another one.")
            if self._database is None:
                database = Database.open(self.path, self._configuration.durability)
                follow(database.read(queries.newest_id))
                self._database = database
            return self._database

    def close(self) -> None:
        """Close it for good; nothing when that is done."""
        with self._lock:
            self._is_closed = True
            database, self._database = self._database, None
            watching, self._watching = self._watching, None
        if watching is not None:
            watching.close()
        if database is not None:
            database.close()

    def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query; see `Database.read`."""
        return self.open().read(query, *args, **kwargs)

    def ask(self, request: Request) -> Outcome:
        """Store what a request asks for, and wake whom it concerns; see `Database.write`."""
        outcome = self.open().write(request)
        for address in outcome.wake:
            try:
                wake(address)
            except OSError as error:  # It is stored, and a runner that is not woken looks by itself.
                logger.warning("The runner at %s could not be woken: %s", address, error)
        return outcome

    def version(self) -> int:
        """Return a number that is another one when somebody has committed something; see `Database.data_version`."""
        database = self.open()
        with self._lock:
            if self._watching is None:
                self._watching = database.connect()
            return database.data_version(self._watching)


class Ending:
    """The end of an execution, for one who waits for it and looks now and then.

    Args:
        database: Where to look.
        execution: The execution.
        timeout: How long to wait at most.

    Attributes:
        limit: The same, in seconds.
    """

    def __init__(self, database: SharedDatabase, execution: Target, timeout: float | timedelta | None) -> None:
        self._database = database
        self._execution = check_target(execution)
        self._seen: int | None = None
        self.limit = None if timeout is None else seconds(timeout, "timeout")

    def look(self) -> ExecutionResult | None:
        """Return the result if the execution has ended.

        Raises:
            UnknownExecution: There is no such execution.
        """
        version = self._database.version()
        if version == self._seen:
            return None
        self._seen = version
        return self._database.read(_result, self._execution)

    def timeout(self) -> TimeoutError:
        """Return the error for a time that is up."""
        return TimeoutError(f"execution {self._execution!r} has not ended within {self.limit:g} s; it goes on")


def pauses() -> Iterator[float]:
    """Yield the seconds between two looks, without end: short at first, then longer."""
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE)


def _result(connection: Connection, execution: Target) -> ExecutionResult | None:
    result = queries.result(connection, execution)
    if result is None and queries.find(connection, execution) is None:
        raise requests.unknown(execution)
    return result
