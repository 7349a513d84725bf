"""The database of a client: opened when it is first used, by any thread, and asked about what others do with it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import anyio

from cloacina.asking import check_target
from cloacina.errors import StoreUnavailable, UnsupportedDatabase
from cloacina.execution.ids import follow
from cloacina.retry import seconds
from cloacina.store import requests
from cloacina.store.address import Address
from cloacina.store.database import Database
from cloacina.store.later import queries
from cloacina.store.lookup import find, newest_id
from cloacina.store.wake import wake_all
from cloacina.store.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from datetime import timedelta
    from pathlib import Path

    from cloacina.asking import Request
    from cloacina.configuration import Configuration
    from cloacina.store.connection import Connection
    from cloacina.store.lookup import Target
    from cloacina.store.records import ExecutionResult
    from cloacina.store.requests import Outcome

P = ParamSpec("P")
T = TypeVar("T")

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
        self._watch: Watch | None = None
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
                follow(database.read(newest_id))
                self._database, self._watch = database, Watch(database)
            return self._database

    def close(self) -> None:
        """Close it for good; nothing when that is done."""
        with self._lock:
            self._is_closed = True
            database, watch = self._database, self._watch
            self._database = self._watch = None
        if database is not None and watch is not None:
            watch.close()
            database.close()

    def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query; see `Database.read`."""
        return self.open().read(query, *args, **kwargs)

    def ask(self, request: Request) -> Outcome:
        """Store what a request asks for, and wake whom it concerns; see `Database.write`."""
        outcome = self.open().write(request)
        wake_all(outcome.wake)
        return outcome

    def watch(self) -> Watch:
        """Return what tells whether somebody has committed something.

        Raises:
            StoreError: The database cannot be opened, or was closed.
        """
        self.open()
        watch = self._watch
        if watch is None:
            raise StoreUnavailable("This client has been closed; make another one.")
        return watch


class Ending:
    """The end of an execution, for one who waits for it and looks now and then.

    Args:
        watch: Of the database.
        execution: The execution.
        timeout: How long to wait at most.

    Attributes:
        limit: The same, in seconds.
    """

    def __init__(self, watch: Watch, execution: Target, timeout: float | timedelta | None) -> None:
        self._watch = watch
        self._execution = check_target(execution)
        self._seen: int | None = None
        self.limit = None if timeout is None else seconds(timeout, "timeout")

    def look(self) -> ExecutionResult | None:
        """Return the result if the execution has ended.

        Raises:
            UnknownExecution: There is no such execution.
        """
        version = self._watch.version()
        if version == self._seen:
            return None
        self._seen = version
        return self._watch.database.read(result_of, self._execution)

    async def until(self, look: Callable[[], Awaitable[ExecutionResult | None]]) -> ExecutionResult:
        """Return the result when the execution has ended.

        Args:
            look: Calls `look` where it does not block the event loop.

        Raises:
            TimeoutError: The time is up.
            UnknownExecution: There is no such execution.
        """
        result = await look()
        with anyio.move_on_after(self.limit):
            for pause in pauses():
                if result is not None:
                    return result
                await anyio.sleep(pause)
                result = await look()
        raise self.timeout()

    def timeout(self) -> TimeoutError:
        """Return the error for a time that is up."""
        return TimeoutError(f"execution {self._execution!r} has not ended within {self.limit:g} s; it goes on")


def pauses() -> Iterator[float]:
    """Yield the seconds between two looks, without end: short at first, then longer."""
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE)


def result_of(connection: Connection, execution: Target) -> ExecutionResult | None:
    """Return what an execution came to; None while it has not ended.

    Raises:
        UnknownExecution: There is no such execution.
    """
    result = queries.result(connection, execution)
    if result is None and find(connection, execution) is None:
        raise requests.unknown(execution)
    return result
