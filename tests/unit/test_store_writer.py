"""The writer's promises: order, grouping, hand-over to the loop, and what happens when the database fails."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from sqlalchemy import Connection

from cloacina.errors import StoreUnavailable, StoreWriteFailed
from cloacina.store import Database, EventType, Writer, changes, connect, queries
from cloacina.store.changes import Change
from cloacina.store.connect import Durability

PATIENCE_SECONDS = 20.0


class Loop:
    """Stands in for an event loop: what is posted runs in the test's thread, when the test lets it."""

    def __init__(self) -> None:
        self._posted: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.posts = 0
        self.failures: list[StoreWriteFailed] = []

    def post(self, callback: Callable[[], None]) -> None:
        self.posts += 1
        self._posted.put(callback)

    def step(self) -> None:
        self._posted.get(timeout=PATIENCE_SECONDS)()

    def run_until(self, claim: Callable[[], object]) -> None:
        while not claim():
            self.step()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def database(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    # Failing tests of locks would otherwise take a second each.
    monkeypatch.setattr(connect, "_BUSY_TIMEOUT", 0.01)
    database = Database.open(path)
    yield database
    database.close()


@pytest.fixture
def writer(database: Database, loop: Loop) -> Iterator[Writer]:
    writer = Writer(database, loop.post, loop.failures.append)
    yield writer
    writer.close()


class Gate:
    """Holds the writer's thread, so that a test decides what one transaction finds in the queue."""

    def __init__(self, writer: Writer) -> None:
        self._is_open = threading.Event()
        writer.run(lambda _: self._is_open.wait(PATIENCE_SECONDS))

    def open(self) -> None:
        self._is_open.set()


def execution(name: str) -> Change:
    return changes.new_execution(name, "w", "v", "{}", 1.0)


def started(name: str) -> Change:
    return changes.event(name, None, None, EventType.EXECUTION_STARTED, 1.0)


def ids(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return [row[0] for row in connection.execute("SELECT id FROM workflow_executions ORDER BY id")]
    finally:
        connection.close()


class Transactions:
    """Counts the transactions in which rows of a connection were committed."""

    def __init__(self, writer: Writer) -> None:
        self.count = 0
        writer.run(self._listen).result(PATIENCE_SECONDS)

    def _listen(self, connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.set_trace_callback(self._trace)

    def _trace(self, statement: str) -> None:
        self.count += statement == "COMMIT"


def test_unit_is_committed_when_it_is_handed_back(writer: Writer, loop: Loop, path: Path) -> None:
    found: list[list[str]] = []
    writer.write([execution("a")], lambda: found.append(ids(path)))

    loop.run_until(lambda: found)

    assert found == [["a"]]


def test_units_that_wait_are_committed_together_and_handed_back_in_one_post_in_order(
    writer: Writer, loop: Loop, path: Path
) -> None:
    handed_back: list[int] = []
    transactions = Transactions(writer)
    gate = Gate(writer)
    for number in range(300):
        writer.write([execution(f"{number:03}")], lambda number=number: handed_back.append(number))
    gate.open()

    loop.run_until(lambda: len(handed_back) == 300)

    assert handed_back == list(range(300))
    assert loop.posts == 1
    assert transactions.count == 1
    assert len(ids(path)) == 300


def test_a_transaction_is_bounded_and_no_unit_is_split(
    writer: Writer, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloacina.store.writer._UNITS_PER_TRANSACTION", 10)
    seen: list[int] = []
    transactions = Transactions(writer)
    gate = Gate(writer)
    for number in range(25):
        writer.write([execution(f"{number}"), started(f"{number}")], lambda number=number: seen.append(number))
    gate.open()

    loop.run_until(lambda: len(seen) == 25)

    assert seen == list(range(25))
    assert transactions.count == loop.posts == 3


def test_write_returns_while_the_writer_is_busy_and_counts_what_is_in_flight(writer: Writer, loop: Loop) -> None:
    gate = Gate(writer)
    assert writer.in_flight == 0
    writer.write([execution("a")])
    writer.write([execution("b")])
    assert writer.in_flight == 2
    gate.open()

    writer.run(lambda _: None).result(PATIENCE_SECONDS)
    assert writer.in_flight == 2  # committed, but not handed back
    loop.step()

    assert writer.in_flight == 0


def test_unit_without_changes_is_a_barrier(writer: Writer, loop: Loop, path: Path) -> None:
    found: list[list[str]] = []
    writer.write([execution("a")])
    writer.write((), lambda: found.append(ids(path)))

    loop.run_until(lambda: found)

    assert found == [["a"]]


def test_barrier_alone_begins_no_transaction(writer: Writer, loop: Loop) -> None:
    transactions = Transactions(writer)
    reached: list[bool] = []
    writer.write((), lambda: reached.append(True))

    loop.run_until(lambda: reached)

    assert transactions.count == 0


def test_threads_may_write_at_once(writer: Writer, loop: Loop, path: Path) -> None:
    handed_back: list[str] = []

    def write(prefix: str) -> None:
        for number in range(100):
            name = f"{prefix}{number:03}"
            writer.write([execution(name)], lambda: handed_back.append(name))

    threads = [threading.Thread(target=write, args=(prefix,)) for prefix in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loop.run_until(lambda: len(handed_back) == 400)

    assert len(ids(path)) == 400
    for prefix in "abcd":
        mine = [name for name in handed_back if name.startswith(prefix)]
        assert mine == sorted(mine)
    assert writer.in_flight == 0


def test_finalizer_that_writes_while_a_unit_is_queued_does_not_block(writer: Writer, loop: Loop) -> None:
    class Changes(list[Change]):
        """Writes while it is being queued, as a lost token does when memory is collected at that moment."""

    handed_back: list[str] = []
    real = writer._queue

    class Reentrant:
        def put(self, item: Any) -> None:
            writer._queue = real
            writer.write([execution("b")], lambda: handed_back.append("b"))
            real.put(item)

        get = real.get
        get_nowait = real.get_nowait

    writer._queue = Reentrant()  # type: ignore[assignment]
    writer.write(Changes([execution("a")]), lambda: handed_back.append("a"))
    loop.run_until(lambda: len(handed_back) == 2)

    assert writer.in_flight == 0


def test_refused_unit_is_told_and_its_companions_are_stored(writer: Writer, loop: Loop, path: Path) -> None:
    handed_back: list[str] = []
    gate = Gate(writer)
    writer.write([execution("a")], lambda: handed_back.append("a"))
    writer.write([execution("b"), started("nowhere")], lambda: handed_back.append("b"))
    writer.write([execution("c")], lambda: handed_back.append("c"))
    gate.open()

    loop.run_until(lambda: loop.failures)

    assert handed_back == ["a", "c"]
    assert ids(path) == ["a", "c"]
    (failure,) = loop.failures
    assert isinstance(failure.__cause__, sqlite3.IntegrityError)
    assert "FOREIGN KEY constraint failed" in failure.message
    assert writer.in_flight == 0


def test_writer_goes_on_after_a_refused_unit(writer: Writer, loop: Loop, path: Path) -> None:
    handed_back: list[str] = []
    writer.write([started("nowhere")])
    loop.run_until(lambda: loop.failures)
    writer.write([execution("a")], lambda: handed_back.append("a"))

    loop.run_until(lambda: handed_back)

    assert ids(path) == ["a"]


@pytest.mark.parametrize("malformed", [None, [("event",)], [(0, None)]])
def test_malformed_unit_does_not_end_the_thread(writer: Writer, loop: Loop, malformed: Any, path: Path) -> None:
    handed_back: list[str] = []
    gate = Gate(writer)
    writer.write(malformed)
    writer.write([execution("a")], lambda: handed_back.append("a"))
    gate.open()

    loop.run_until(lambda: handed_back)

    assert ids(path) == ["a"]


class Lock:
    """Another program that is writing to the database."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


class Notice(logging.Handler):
    """Sets an event when the store logs something."""

    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.came.set()


@pytest.fixture
def notice() -> Iterator[Notice]:
    handler = Notice()
    logger = logging.getLogger("cloacina.store")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def test_lock_of_another_program_is_waited_for(writer: Writer, loop: Loop, path: Path, notice: Notice) -> None:
    handed_back: list[str] = []
    lock = Lock(path)
    writer.write([execution("a")], lambda: handed_back.append("a"))
    assert notice.came.wait(PATIENCE_SECONDS)  # it has tried, and says so
    assert not handed_back
    lock.release()

    loop.run_until(lambda: handed_back)

    assert ids(path) == ["a"]
    assert not loop.failures


def fail(writer: Writer) -> None:
    """Make the database of a writer unusable."""
    writer.run(lambda connection: connection.exec_driver_sql("PRAGMA query_only = ON")).result(PATIENCE_SECONDS)


def test_lock_that_is_held_too_long_fails_this_and_all_later_writes(
    database: Database, loop: Loop, path: Path, notice: Notice
) -> None:
    writer = Writer(database, loop.post, loop.failures.append, retry_for=0.05)
    handed_back: list[str] = []
    lock = Lock(path)
    writer.write([execution("a")], lambda: handed_back.append("a"))
    loop.run_until(lambda: loop.failures)
    lock.release()
    writer.write([execution("b")], lambda: handed_back.append("b"))
    loop.run_until(lambda: len(loop.failures) == 2)
    writer.close()

    assert not handed_back
    assert ids(path) == []
    assert all(isinstance(failure.__cause__, sqlite3.OperationalError) for failure in loop.failures)
    assert "database is locked" in loop.failures[0].message
    assert str(path) in loop.failures[0].message
    assert writer.in_flight == 0


def test_full_disk_fails_after_the_patience_and_leaves_no_half_of_a_unit(
    database: Database, loop: Loop, path: Path
) -> None:
    writer = Writer(database, loop.post, loop.failures.append, retry_for=0)
    pages = writer.run(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar_one()).result()
    writer.run(lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")).result()
    writer.write([execution("a"), changes.new_execution("b", "w", "v", "x" * 100_000, 1.0)])

    loop.run_until(lambda: loop.failures)
    writer.close()

    assert "full" in loop.failures[0].message
    assert ids(path) == []


def test_unusable_database_fails_at_once_and_jobs_are_told_too(writer: Writer, loop: Loop) -> None:
    fail(writer)
    writer.write([execution("a")])
    loop.run_until(lambda: loop.failures)

    with pytest.raises(StoreWriteFailed, match="readonly"):
        writer.run(lambda _: None).result(PATIENCE_SECONDS)

    assert isinstance(loop.failures[0].__cause__, sqlite3.OperationalError)


@pytest.mark.parametrize("replace", [False, True])
def test_removed_file_is_noticed(writer: Writer, loop: Loop, path: Path, replace: bool) -> None:
    path.rename(path.with_name("moved.db"))
    if replace:
        path.touch()
    writer.write([execution("a")])

    loop.run_until(lambda: loop.failures)

    assert "removed or replaced" in loop.failures[0].message
    assert isinstance(loop.failures[0].__cause__, FileNotFoundError)


def test_defect_in_the_thread_is_told_and_what_comes_later_fails(
    writer: Writer, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(self: Writer, units: Sequence[Any]) -> None:
        raise SystemExit("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "_commit", break_down)
        writer.write([execution("a")])
        loop.run_until(lambda: loop.failures)
    writer.write([execution("b")])
    loop.run_until(lambda: len(loop.failures) == 2)

    assert "a defect" in loop.failures[1].message


def test_function_that_raises_does_not_keep_others_from_their_call(writer: Writer, loop: Loop) -> None:
    handed_back: list[str] = []

    def refuse(reason: str) -> Callable[[], None]:
        def raise_it() -> None:
            raise ValueError(reason)

        return raise_it

    gate = Gate(writer)
    writer.write([execution("a")], refuse("first"))
    writer.write([execution("b")], refuse("second"))
    writer.write([execution("c")], lambda: handed_back.append("c"))
    gate.open()

    with pytest.raises(ExceptionGroup) as raised:
        loop.step()

    assert [str(error) for error in raised.value.exceptions] == ["first", "second"]
    assert handed_back == ["c"]
    assert writer.in_flight == 0


def test_loop_that_has_ended_does_not_end_the_thread(
    database: Database, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def post(callback: Callable[[], None]) -> None:
        raise RuntimeError("the loop is closed")

    writer = Writer(database, post, lambda failure: None)
    writer.write([execution("a")])
    writer.write([execution("b")])
    writer.close()

    assert ids(path) == ["a", "b"]
    assert writer.in_flight == 0
    assert "after the event loop had ended" in caplog.text


def test_job_runs_in_the_writers_thread_behind_what_was_queued_before(writer: Writer) -> None:
    def look(connection: Connection) -> tuple[str, list[str]]:
        return threading.current_thread().name, [found.id for found in queries.executions(connection)]

    writer.write([execution("a")])

    assert writer.run(look).result(PATIENCE_SECONDS) == ("cloacina-writer", ["a"])


def test_job_leaves_nothing_behind(writer: Writer, loop: Loop, path: Path) -> None:
    def write(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO cloacina_revision VALUES ('x')")

    handed_back: list[str] = []
    writer.run(write).result(PATIENCE_SECONDS)
    writer.write([execution("a")], lambda: handed_back.append("a"))
    loop.run_until(lambda: handed_back)

    assert writer.run(lambda c: c.exec_driver_sql("SELECT count(*) FROM cloacina_revision").scalar()).result() == 1


def test_error_of_a_job_goes_to_who_waits_for_it(writer: Writer) -> None:
    def divide(connection: Connection) -> float:
        return 1 / 0

    with pytest.raises(ZeroDivisionError):
        writer.run(divide).result(PATIENCE_SECONDS)

    assert writer.run(lambda _: "still there").result(PATIENCE_SECONDS) == "still there"


def test_cancelled_job_does_not_run(writer: Writer) -> None:
    ran: list[bool] = []
    gate = Gate(writer)
    job = writer.run(lambda _: ran.append(True))
    assert job.cancel()
    gate.open()

    writer.run(lambda _: None).result(PATIENCE_SECONDS)

    assert not ran


def test_close_writes_what_is_queued_and_empties_the_log(writer: Writer, path: Path) -> None:
    gate = Gate(writer)
    for number in range(500):
        writer.write([execution(f"{number:03}")])
    gate.open()

    writer.close()

    assert len(ids(path)) == 500
    log = path.with_name("store.db-wal")
    assert not log.exists() or log.stat().st_size == 0
    assert "cloacina-writer" not in [thread.name for thread in threading.enumerate()]


def test_close_may_be_called_again_and_then_nothing_is_taken(writer: Writer) -> None:
    writer.close()
    writer.close()

    with pytest.raises(StoreWriteFailed, match="closed"):
        writer.write([execution("a")])
    with pytest.raises(StoreUnavailable, match="closed"):
        writer.run(lambda _: None)
    assert writer.in_flight == 0


def test_close_after_a_failure_ends_the_thread(writer: Writer, loop: Loop) -> None:
    fail(writer)
    writer.write([execution("a")])
    loop.run_until(lambda: loop.failures)

    writer.close()

    assert "cloacina-writer" not in [thread.name for thread in threading.enumerate()]


def test_close_while_another_program_reads_keeps_everything(writer: Writer, path: Path) -> None:
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM workflow_executions").fetchone()
    writer.write([execution("a")])

    writer.close()
    reader.close()

    assert ids(path) == ["a"]


@pytest.mark.parametrize(("durability", "level"), [("normal", 1), ("full", 2)])
def test_durability_sets_when_the_disk_is_asked_to_flush(
    tmp_path: Path, loop: Loop, durability: Durability, level: int
) -> None:
    database = Database.open(tmp_path / "another.db", durability)
    writer = Writer(database, loop.post, loop.failures.append)

    found = writer.run(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar_one()).result(PATIENCE_SECONDS)
    writer.close()
    database.close()

    assert found == level
