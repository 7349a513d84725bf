"""The writer: one thread that commits what is queued, and hands it back to the event loop."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from cloacina.errors import StoreUnavailable, StoreWriteFailed
from cloacina.store.group_commit import GroupCommit
from cloacina.store.statements import compile_statements

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from sqlalchemy import Connection

    from cloacina.store.changes import Change
    from cloacina.store.database import Database

logger = logging.getLogger("cloacina.store")

T = TypeVar("T")

_UNITS_PER_TRANSACTION = 2_000

Unit: TypeAlias = "tuple[Sequence[Change], Callable[[], None] | None]"
"""Changes that are committed together, and what to call after that."""


class _Job(Generic[T]):
    """A function to run on the writer's connection, in its turn."""

    __slots__ = ("_function", "future")

    def __init__(self, function: Callable[[Connection], T]) -> None:
        self._function = function
        self.future: Future[T] = Future()

    def run(self, connection: Connection, failure: StoreWriteFailed | None) -> None:
        """Run the function, unless the writer has failed or nobody waits for it any more."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            if failure is not None:
                raise failure
            try:
                result = self._function(connection)
            finally:
                connection.rollback()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the future
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class Writer:
    """Commits units of changes in the order in which they come, many in one transaction when many are waiting.

    Args:
        database: Where to write.
        post: Hands a function over to the event loop's thread. Called in the writer's thread, once for all that one
            transaction holds. The loop is expected to survive an exception of the function, and to report it.
        on_failure: Called in the loop's thread with each `StoreWriteFailed`.
        retry_for: How long a transaction is tried again while the database is locked or has no room, in seconds.

    Raises:
        StoreUnavailable: The database cannot be opened any more.
    """

    def __init__(
        self,
        database: Database,
        post: Callable[[Callable[[], None]], object],
        on_failure: Callable[[StoreWriteFailed], None],
        *,
        retry_for: float = 30.0,
    ) -> None:
        self._database = database
        self._post = post
        self._on_failure = on_failure
        self._queue: SimpleQueue[Unit | _Job[Any] | None] = SimpleQueue()
        # Reentrant: a finalizer that runs while a unit is queued may queue another one in the same thread.
        self._lock = threading.RLock()
        # Two counts, so that the second, which the loop's thread alone changes, needs no lock.
        self._queued = 0
        self._handed_back = 0
        self._is_closed = False
        self._cause: BaseException | None = None
        self._connection = database.connect()
        self._group_commit = GroupCommit(
            self._connection.connection.driver_connection, compile_statements(database.engine.dialect), retry_for
        )
        self._thread = threading.Thread(target=self._serve, name="cloacina-writer", daemon=True)
        self._thread.start()

    @property
    def in_flight(self) -> int:
        """How many units have not been handed back to the event loop yet."""
        return self._queued - self._handed_back

    def write(self, changes: Sequence[Change], on_commit: Callable[[], None] | None = None) -> None:
        """Queue changes that are to be committed together; return at once. Callable from any thread.

        Args:
            changes: The changes; when there are none, this is a barrier behind all that was queued before.
            on_commit: Called in the loop's thread when the changes are committed; never when they are not.

        Raises:
            StoreWriteFailed: The writer is closed.
        """
        with self._lock:
            if self._is_closed:
                raise StoreWriteFailed("The store is closed, so nothing can be written to it any more.")
            self._queued += 1
            self._queue.put((changes, on_commit))

    def run(self, function: Callable[[Connection], T]) -> Future[T]:
        """Run a function in the writer's thread, on its connection, behind all that was queued before.

        What the function writes is rolled back.

        Raises:
            StoreUnavailable: The writer is closed.
        """
        job = _Job(function)
        with self._lock:
            if self._is_closed:
                raise StoreUnavailable("The store is closed, so it cannot be read any more.")
            self._queue.put(job)
        return job.future

    def close(self) -> None:
        """Write what is queued, move it from the write-ahead log into the database, and end the thread. Blocks."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._queue.put(None)
        self._thread.join()

    def _serve(self) -> None:
        is_serving = True
        while is_serving:
            units, then = self._take()
            if units:
                self._commit(units)
            if isinstance(then, _Job):
                then.run(self._connection, None if self._cause is None else self._gone())
            is_serving = then is not None
            # Dropped before the thread waits: what the units belong to may be over.
            del units, then
        self._look_once_more()
        try:
            self._database.checkpoint(self._connection)
        except Exception as error:  # noqa: BLE001 - nothing is lost: the log is read when the file is opened next
            logger.warning("The write-ahead log of %s could not be emptied: %s", self._database.address, error)
        finally:
            self._connection.close()

    def _look_once_more(self) -> None:
        """Tell of a file that was removed since the last look: what was committed meanwhile is lost with it."""
        if self._cause is None:
            try:
                self._database.check_in_place(at_once=True)
            except OSError as error:
                self._give_up(error)
                self._settle([], (), [self._gone()])

    def _take(self) -> tuple[list[Unit], Unit | _Job[Any] | None]:
        """Wait for work; return all units that are queued, and what stopped the taking: a job or the end (None)."""
        units: list[Unit] = []
        item = self._queue.get()
        try:
            while isinstance(item, tuple):
                units.append(item)
                if len(units) == _UNITS_PER_TRANSACTION:
                    break
                item = self._queue.get_nowait()
        except Empty:
            pass
        return units, item

    def _commit(self, units: list[Unit]) -> None:
        if self._cause is None:
            try:
                self._database.check_in_place()
                refused = self._group_commit.commit([changes for changes, _ in units])
            except BaseException as error:  # noqa: BLE001 - whatever it is, the loop must hear of it, and go on with that
                self._give_up(error)
            else:
                self._settle(units, refused, [_refusal(error) for error in refused.values()])
                return
        self._settle(units, range(len(units)), [self._gone()])

    def _settle(self, units: list[Unit], refused: Container[int], failures: list[StoreWriteFailed]) -> None:
        """Hand units back to the loop, in one call: those that were not refused are committed."""
        calls = [on_commit for at, (_, on_commit) in enumerate(units) if on_commit and at not in refused]
        calls.extend(partial(self._on_failure, failure) for failure in failures)
        try:
            self._post(partial(self._hand_back, len(units), calls))
        except Exception:
            # The loop has ended: nobody is left to be told.
            logger.exception("%d units were settled after the event loop had ended: %s", len(units), failures)
            self._handed_back += len(units)

    def _hand_back(self, units: int, calls: Sequence[Callable[[], None]]) -> None:
        """Tell of units, in the loop's thread. One function that raises does not keep the others from their call."""
        errors: list[Exception] = []
        for call in calls:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
        self._handed_back += units
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup("Functions that were to be called after a commit raised.", errors)

    def _give_up(self, cause: BaseException) -> None:
        """Write nothing any more: what follows a lost change would not fit to what is stored."""
        self._cause = cause
        logger.error("Nothing can be written to %s any more", self._database.address, exc_info=cause)

    def _gone(self) -> StoreWriteFailed:
        failure = StoreWriteFailed(
            f"Nothing can be written to {self._database.address} any more: {self._cause}. "
            "What was committed is kept; mend the storage and start the runner again."
        )
        failure.__cause__ = self._cause
        return failure


def _refusal(cause: Exception) -> StoreWriteFailed:
    failure = StoreWriteFailed(
        f"The database refused a unit of changes, so none of them is stored: {cause}. Other units are not affected."
    )
    failure.__cause__ = cause
    return failure
