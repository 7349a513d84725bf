"""The writer: one thread that commits what is queued, and hands it back to the event loop."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from functools import partial
from itertools import islice
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from cloacina.errors import StoreUnavailable, StoreWriteFailed
from cloacina.membrane import LONGEST_LINE, Log, text_of
from cloacina.store import forks
from cloacina.store.backfill import Backfill
from cloacina.store.changes import words_of
from cloacina.store.database import RETRY_SECONDS
from cloacina.store.group_commit import GroupCommit
from cloacina.store.statements import STATEMENTS
from cloacina.store.syncing import Syncing
from cloacina.store.threads import start_daemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cloacina.store.changes import Unit
    from cloacina.store.connection import Connection
    from cloacina.store.database import Database

logger = Log("cloacina.store")

T = TypeVar("T")

_BATCHES_PER_TRANSACTION = 2_000
_CALLS_PER_TURN = 500

Batch: TypeAlias = "tuple[Sequence[Unit], Callable[[], None] | None]"
"""Units for one transaction, and what to call when the last of them is committed."""


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
            with forks.uses_of_sqlite:
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
            transaction holds; when that is much, in the loop's thread as well, for the next portion of it. The loop is
            expected to survive an exception of the function, and to report it.
        on_failure: Called in the loop's thread when nothing can be written any more, for each transaction from then on.
        on_refusal: Called in the loop's thread with each unit that is not stored, and why; before anyone hears of what
            was committed in the same transaction.
        retry_for: How long a transaction is tried again while the database is locked or has no room, in seconds.

    Raises:
        StoreUnavailable: The database cannot be opened any more.
        ThreadUnavailable: The system lets no further thread start.
    """

    def __init__(
        self,
        database: Database,
        post: Callable[[Callable[[], None]], object],
        on_failure: Callable[[StoreWriteFailed], None],
        on_refusal: Callable[[Unit, StoreWriteFailed], None],
        *,
        retry_for: float = RETRY_SECONDS,
    ) -> None:
        self._database = database
        self._post = post
        self._on_failure = on_failure
        self._on_refusal = on_refusal
        self._retry_for = retry_for
        self._queue: SimpleQueue[Batch | _Job[Any] | None] = SimpleQueue()
        # Reentrant: a finalizer that runs while a batch is queued may queue another one in the same thread.
        self._lock = threading.RLock()
        # Two counts, so that the second, which the loop's thread alone changes, needs no lock.
        self._queued = 0
        self._handed_back = 0
        # What was settled and is not told yet: how many batches, and whom to call.
        self._untold: deque[tuple[int, Iterator[Callable[[], None]]]] = deque()
        self._is_closed = False
        self._cause: BaseException | None = None
        self._backfill = Backfill(database)
        self._connection = database.connect()
        driver = self._connection.driver
        self._syncing = Syncing(driver, database.durability)
        self._group_commit = GroupCommit(driver, STATEMENTS, self._syncing, retry_for)
        try:
            self._thread = start_daemon(self._serve, "cloacina-writer")
        except BaseException:
            self._connection.close()
            raise

    @property
    def in_flight(self) -> int:
        """How many batches have not been handed back to the event loop yet."""
        return self._queued - self._handed_back

    def write(self, units: Sequence[Unit], on_commit: Callable[[], None] | None = None) -> None:
        """Queue a batch of units for one transaction; return at once. Callable from any thread.

        Args:
            units: Each of them is stored whole or not at all, whatever becomes of the others. When there are none, this
                is a barrier behind all that was queued before.
            on_commit: Called in the loop's thread when the last unit is committed; never when it is not.

        Raises:
            StoreWriteFailed: The writer is closed.
        """
        with self._lock:
            if self._is_closed:
                raise StoreWriteFailed("The store is closed, so nothing can be written to it any more.")
            self._queued += 1
            self._queue.put((units, on_commit))

    def run(self, function: Callable[[Connection], T]) -> Future[T]:
        """Run a function in the writer's thread, on its connection, behind all that was queued before.

        What the function writes and does not commit is rolled back.

        Raises:
            StoreUnavailable: The writer is closed.
        """
        job = _Job(function)
        with self._lock:
            if self._is_closed:
                raise StoreUnavailable("The store is closed, so it cannot be used any more.")
            self._queue.put(job)
        return job.future

    def transact(
        self, request: Callable[[Connection], T], on_done: Callable[[Future[T]], None] | None = None
    ) -> Future[T]:
        """Run a function in a transaction of its own, behind all that was queued before, and commit what it writes.

        Args:
            request: The function; called several times while the database is locked or has no room.
            on_done: Called in the loop's thread with what this returns, when that is done.

        Raises:
            StoreUnavailable: The writer is closed.
        """

        def run(connection: Connection) -> T:
            self._syncing.before_commit(is_told=True)
            return self._database.transact(connection, self._retry_for, request)

        future = self.run(run)
        if on_done is not None:
            with self._lock:
                self._queued += 1
            future.add_done_callback(lambda done: self._settle([((), None)], [partial(on_done, done)]))
        return future

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
            batches, then = self._take()
            if batches:
                self._commit(batches)
            if isinstance(then, _Job):
                then.run(self._connection, None if self._cause is None else self._gone())
            is_serving = then is not None
            # Dropped before the thread waits: what the batches belong to may be over.
            del batches, then
        self._look_once_more()
        self._backfill.close()
        try:
            self._database.checkpoint(self._connection)
        except Exception as error:  # noqa: BLE001 - nothing is lost: the log is read when the file is opened next
            logger.warning("The write-ahead log of %s could not be emptied: %s", self._database.address, error)
        finally:
            with forks.uses_of_sqlite:
                self._connection.close()

    def _look_once_more(self) -> None:
        """Tell of a file that was removed since the last look: what was committed meanwhile is lost with it."""
        if self._cause is None:
            try:
                self._database.check_in_place(at_once=True)
            except OSError as error:
                self._cause = error
                self._settle([], self._not_stored([]))
                self._log_failure()

    def _take(self) -> tuple[list[Batch], Batch | _Job[Any] | None]:
        """Wait for work; return all batches that are queued, and what stopped the taking: a job or the end (None)."""
        batches: list[Batch] = []
        item = self._queue.get()
        try:
            while isinstance(item, tuple):
                batches.append(item)
                if len(batches) == _BATCHES_PER_TRANSACTION:
                    break
                item = self._queue.get_nowait()
        except Empty:
            pass
        return batches, item

    def _commit(self, batches: list[Batch]) -> None:
        is_first = self._cause is None
        if is_first:
            try:
                self._database.check_in_place()
                calls = self._write(batches)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the loop must hear of it, and go on with that
                # Nothing is written any more: what follows a lost change would not fit to what is stored.
                self._cause = error
            else:
                self._settle(batches, calls)
                return
        self._settle(batches, self._not_stored(batches))
        if is_first:
            self._log_failure()

    def _write(self, batches: list[Batch]) -> list[Callable[[], None]]:
        """Commit batches, and return whom to tell: of what was refused first."""
        units = [unit for units, _ in batches for unit in units]
        told = [on_commit for _, on_commit in batches if on_commit]
        refused = self._group_commit.commit(units, is_told=bool(told))
        self._backfill.committed(len(units))
        if not refused:
            return told
        calls: list[Callable[[], None]] = [partial(self._refuse, units[at], error) for at, error in refused.items()]
        end = 0
        for units_of_batch, on_commit in batches:
            end += len(units_of_batch)
            if on_commit and not (units_of_batch and end - 1 in refused):
                calls.append(on_commit)
        return calls

    def _not_stored(self, batches: list[Batch]) -> list[Callable[[], None]]:
        failure = self._gone()
        refusals = [partial(self._on_refusal, unit, failure) for units, _ in batches for unit in units]
        return [partial(self._on_failure, failure), *refusals]

    def _settle(self, batches: list[Batch], calls: Sequence[Callable[[], None]]) -> None:
        """Hand batches back to the loop, with one call for all."""
        try:
            self._post(partial(self._hand_back, len(batches), calls))
        except Exception:
            # The loop has ended: nobody is left to be told.
            self._handed_back += len(batches)
            logger.exception("%d batches were written after the event loop had ended", len(batches))

    def _hand_back(self, batches: int, calls: Sequence[Callable[[], None]]) -> None:
        """Tell of batches, in the loop's thread: many of them in portions, between which others have their turn."""
        is_telling = bool(self._untold)
        self._untold.append((batches, iter(calls)))
        if not is_telling:
            self._tell()

    def _tell(self) -> None:
        """Tell of the next portion. One function that raises does not keep the others from their call."""
        errors: list[Exception] = []
        left = _CALLS_PER_TURN
        try:
            while self._untold and left:
                batches, calls = self._untold[0]
                for call in islice(calls, left):
                    left -= 1
                    try:
                        call()
                    except Exception as error:  # noqa: BLE001 - raised below
                        errors.append(error)
                if left:
                    self._untold.popleft()
                    self._handed_back += batches
        finally:
            # Also when Ctrl+C takes one call with it.
            if self._untold:
                self._post(self._tell)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup("Functions that were to be called after a commit raised.", errors)

    def _refuse(self, unit: Unit, cause: Exception) -> None:
        failure = StoreWriteFailed(
            f"The database refused to store {words_of(unit)}: {text_of(cause, LONGEST_LINE)}. Nothing else is affected."
        )
        failure.__cause__ = cause
        self._on_refusal(unit, failure)

    def _log_failure(self) -> None:
        logger.error("Nothing can be written to %s any more", self._database.address, exc_info=self._cause)

    def _gone(self) -> StoreWriteFailed:
        cause = "" if self._cause is None else text_of(self._cause, LONGEST_LINE)
        failure = StoreWriteFailed(
            f"Nothing can be written to {self._database.address} any more: {cause}. "
            "What was committed is kept; mend the storage and start the runner again."
        )
        failure.__cause__ = self._cause
        return failure
