"""The store: one database, its writer, and reads that see what was written before them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import anyio

from cloacina.errors import StoreUnavailable, StoreWriteFailed
from cloacina.store.database import Database
from cloacina.store.threads import WorkerThreads
from cloacina.store.watch import Watch
from cloacina.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from cloacina.store.changes import Unit
    from cloacina.store.connection import Connection
    from cloacina.store.pruning import Pruning
    from cloacina.store.syncing import Durability

P = ParamSpec("P")
T = TypeVar("T")

_CONCURRENT_READS = 8


class Store:
    """Everything the engine keeps.

    Attributes:
        database: The open database.
        watch: Tells whether other processes have written to it.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.watch = Watch(database)
        self._writer: Writer | None = None
        self._reads = 0
        self._readers: WorkerThreads | None = None
        self._limiter = anyio.CapacityLimiter(_CONCURRENT_READS)

    @classmethod
    def open(cls, url: str | Path, durability: Durability = "full") -> Store:
        """Open a database; see `Database.open`. Blocks, and starts no thread."""
        return cls(Database.open(url, durability))

    @property
    def in_flight(self) -> int:
        """How many units of changes and reads have not been handed back to the event loop yet."""
        return self._reads + (0 if self._writer is None else self._writer.in_flight)

    def start(
        self,
        post: Callable[[Callable[[], None]], object],
        on_failure: Callable[[StoreWriteFailed], None],
        on_refusal: Callable[[Unit, StoreWriteFailed], None],
    ) -> None:
        """Start the writer's thread; see `Writer` for the functions.

        Raises:
            StoreUnavailable: The file was removed or cannot be opened any more.
            ThreadUnavailable: The system lets no further thread start.
        """
        self._writer = Writer(self.database, post, on_failure, on_refusal)
        self._readers = WorkerThreads(post, "cloacina-reader", _CONCURRENT_READS)

    def write(self, units: Sequence[Unit], on_commit: Callable[[], None] | None = None) -> None:
        """Queue units of changes for one transaction; see `Writer.write`. Callable from any thread.

        Raises:
            StoreWriteFailed: The store is not started, or closed.
        """
        if self._writer is None:
            raise StoreWriteFailed("The store is not started, so nothing can be written to it; call start() first.")
        self._writer.write(units, on_commit)

    def transact(
        self, request: Callable[[Connection], T], on_done: Callable[[Future[T]], None] | None = None
    ) -> Future[T]:
        """Run a function in a transaction that writes, behind all that was queued before; see `Writer.transact`.

        Raises:
            StoreUnavailable: The store is not started, or closed.
        """
        if self._writer is None:
            raise StoreUnavailable("The store is not started, so nothing can be written to it; call start() first.")
        return self._writer.transact(request, on_done)

    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query of `cloacina.store.queries`, or one like them, that sees all that was queued before.

        Raises:
            InvalidOption: An argument of the query has a value that it does not allow.
            StoreUnavailable: The store is not started or closed, or the database cannot be read.
            StoreWriteFailed: What was queued before could not be written.
            ThreadUnavailable: The system lets no further thread start.
        """
        self._reads += 1
        try:
            return await self.look(lambda: self._read(query, *args, **kwargs))
        finally:
            self._reads -= 1

    def _read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        writer = self._started_writer()
        if self.database.is_in_memory:
            with self.database.explaining("read"):
                return writer.run(lambda connection: query(connection, *args, **kwargs)).result()
        writer.run(_nothing).result()
        return self.database.read(query, *args, **kwargs)

    def pruning(self, before: float) -> Pruning:
        """Return what deletes executions that ended before a moment. Blocks for the import of SQLAlchemy.

        Args:
            before: In seconds since the epoch.
        """
        from cloacina.store.pruning import Pruning  # noqa: PLC0415 - most processes delete nothing

        return Pruning(self.database, before)

    def prune(self, pruning: Pruning) -> bool:
        """Do a step of pruning, whose transaction takes its turn among the writer's; return False when none is left.

        Blocks: it is called in a thread that may wait.

        Raises:
            StoreUnavailable: The store is not started or closed, or the database cannot be read.
            StoreWriteFailed: The database cannot be written.
        """
        ids = self._read(pruning.find)
        if ids:
            self._started_writer().run(lambda connection: pruning.delete(connection, ids)).result()
        return bool(ids)

    def _started_writer(self) -> Writer:
        if self._writer is None:
            raise StoreUnavailable("The store is not started, so it cannot be read; call start() first.")
        return self._writer

    async def look(self, look: Callable[[], T]) -> T:
        """Run a function in a thread that reads for itself, and need not see what is queued.

        Raises:
            StoreUnavailable: The store is not started.
            ThreadUnavailable: The system lets no further thread start.
        """
        if self._readers is None:
            raise StoreUnavailable("The store is not started, so it cannot be read; call start() first.")
        async with self._limiter:
            return await self._readers.call(look)

    def close(self) -> None:
        """Write what is queued, end the writer's thread and close the database. Blocks."""
        if self._readers is not None:
            self._readers.close()
        if self._writer is not None:
            self._writer.close()
        self.watch.close()
        self.database.close()


def _nothing(connection: Connection) -> None:
    """Do nothing, in its turn: whoever waits for it knows that all before it is written."""
