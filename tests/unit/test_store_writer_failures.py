"""What the writer does when the database, a unit of changes or the loop fails."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cloacina.errors import StoreWriteFailed
from cloacina.store import Database, EventType, TaskStatus, Writer, changes
from cloacina.store.changes import Change, Unit
from cloacina.store.connection import Connection

if TYPE_CHECKING:
    from tests.unit.conftest import Loop


Hold = Callable[[], Callable[[], None]]
StoredIds = Callable[[], list[str]]
PATIENCE_SECONDS = 20.0


def execution(name: str) -> Change:
    return changes.new_execution(name, "w", "v", "{}", 1.0)


def started(name: str) -> Change:
    return changes.event(name, 1, None, None, EventType.EXECUTION_STARTED, 1.0)


def test_refused_unit_is_told_first_and_takes_no_other_with_it(
    writer: Writer, loop: Loop, hold: Hold, stored_ids: StoredIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(writer, "_on_refusal", lambda unit, _: told.append(f"refused {unit[0][-1]}"))
    refused = [started("nowhere")]
    let_go = hold()
    writer.write([[execution("a")], [execution("b"), *refused], [execution("c")]], lambda: told.append("a to c"))
    writer.write([refused], lambda: told.append("alone"))
    writer.write([[execution("d")], [execution("e"), *refused]], lambda: told.append("d and e"))
    writer.write([], lambda: told.append("behind them"))
    let_go()

    loop.run_until(lambda: told)

    assert told == ["refused b", "refused nowhere", "refused e", "a to c", "behind them"]
    assert stored_ids() == ["a", "c", "d"]
    assert not loop.failures
    assert writer.in_flight == 0


def test_refusal_says_what_is_not_stored_and_why_and_the_writer_goes_on(
    writer: Writer, loop: Loop, stored_ids: StoredIds
) -> None:
    unit = [execution("b"), execution("c"), started("nowhere")]
    writer.write([unit])
    loop.run_until(lambda: loop.refusals)
    writer.write([[execution("a")]])
    writer.close()

    ((refused, failure),) = loop.refusals
    assert refused is unit
    assert isinstance(failure.__cause__, sqlite3.IntegrityError)
    assert failure.message.startswith(
        "The database refused to store a new execution, the event execution_started: FOREIGN KEY constraint failed."
    )
    assert stored_ids() == ["a"]


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE execution_events",
        "ALTER TABLE execution_events RENAME COLUMN detail TO details",
        "ALTER TABLE task_executions RENAME TO tasks",
    ],
)
def test_database_that_understands_a_statement_no_more_is_a_failure_and_no_refusal(
    writer: Writer, loop: Loop, path: Path, damage: str, stored_ids: StoredIds
) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute(damage)
    units = [[execution("a")], [execution("b"), started("b"), changes.new_task("t", "b", "x", 0, TaskStatus.READY)]]
    writer.write(units)
    loop.run_until(lambda: loop.failures)

    assert [unit for unit, _ in loop.refusals] == units
    assert {failure for _, failure in loop.refusals} == set(loop.failures)
    assert stored_ids() == []


@pytest.mark.parametrize("malformed", [None, [("event",)], [(0, None)]])
def test_malformed_unit_does_not_end_the_thread(
    writer: Writer, loop: Loop, malformed: Any, hold: Hold, stored_ids: StoredIds
) -> None:
    handed_back: list[str] = []
    let_go = hold()
    writer.write([malformed])
    writer.write([[execution("a")]], lambda: handed_back.append("a"))
    let_go()

    with pytest.raises((TypeError, ValueError)):  # the loop's to report
        loop.step()

    assert handed_back == stored_ids() == ["a"]


class Lock:
    """Another program that is writing to the database."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


class Notice(logging.Handler):
    """Sets an event when the store logs something, and does first what the test wants done between two tries."""

    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Event()
        self.error: Exception | None = None
        self.meanwhile: Callable[[], object] = lambda: None

    def emit(self, record: logging.LogRecord) -> None:
        self.meanwhile()
        self.came.set()
        if self.error is not None:
            raise self.error


@pytest.fixture
def notice() -> Iterator[Notice]:
    handler = Notice()
    logger = logging.getLogger("cloacina.store")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.mark.parametrize("error", [None, ConnectionError("of the log")], ids=["told", "nobody can be told"])
def test_lock_of_another_program_is_waited_for(
    writer: Writer, loop: Loop, path: Path, notice: Notice, stored_ids: StoredIds, error: Exception | None
) -> None:
    notice.error = error
    handed_back: list[str] = []
    lock = Lock(path)
    writer.write([[execution("a")]], lambda: handed_back.append("a"))
    assert notice.came.wait(PATIENCE_SECONDS)  # it has tried, and says so
    assert not handed_back
    lock.release()

    loop.run_until(lambda: handed_back)

    assert stored_ids() == ["a"]
    assert not loop.failures


INSERT = "INSERT INTO workflow_executions (id, workflow, workflow_version, status, created_at, context) VALUES "


def insert(connection: Connection, row: str = "('a', 'w', 'v', 'Pending', 1.0, '{}')") -> None:
    connection.alchemy.exec_driver_sql(INSERT + row)


@pytest.mark.parametrize("face", ["database", "writer"])
def test_request_waits_for_the_lock_of_another_program(
    database: Database, writer: Writer, path: Path, notice: Notice, stored_ids: StoredIds, face: str
) -> None:
    notice.meanwhile = Lock(path).release

    if face == "database":
        database.write(insert)
    else:
        writer.transact(insert).result(PATIENCE_SECONDS)

    assert notice.came.is_set()
    assert stored_ids() == ["a"]


def test_request_that_cannot_be_written_says_so(database: Database, path: Path, stored_ids: StoredIds) -> None:
    with pytest.raises(StoreWriteFailed, match=rf"^Nothing was written to {path}: NOT NULL constraint failed"):
        database.write(insert, "('a', NULL, 'v', 'Pending', 1.0, '{}')")
    lock = Lock(path)
    with pytest.raises(StoreWriteFailed, match="database is locked"), database.connect() as connection:
        database.transact(connection, 0.0, insert)
    lock.release()
    assert stored_ids() == []

    path.unlink()
    with pytest.raises(StoreWriteFailed, match="removed or replaced"), database.connect() as connection:
        database.transact(connection, 0.0, insert)


def fail(writer: Writer) -> None:
    """Make the database of a writer unusable."""
    writer.run(lambda connection: connection.alchemy.exec_driver_sql("PRAGMA query_only = ON")).result(PATIENCE_SECONDS)


def test_lock_that_is_held_too_long_fails_this_and_all_later_writes(
    database: Database, loop: Loop, path: Path, notice: Notice, stored_ids: StoredIds
) -> None:
    writer = Writer(database, loop.post, loop.failures.append, loop.take_refusal, retry_for=0.05)
    handed_back: list[str] = []
    lock = Lock(path)
    writer.write([[execution("a")]], lambda: handed_back.append("a"))
    loop.run_until(lambda: loop.failures)
    lock.release()
    writer.write([[execution("b")]], lambda: handed_back.append("b"))
    loop.run_until(lambda: len(loop.failures) == 2)
    writer.close()

    assert not handed_back
    assert stored_ids() == []
    assert all(isinstance(failure.__cause__, sqlite3.OperationalError) for failure in loop.failures)
    assert "database is locked" in loop.failures[0].message
    assert str(path) in loop.failures[0].message
    assert writer.in_flight == 0


# More than the room that `fill` leaves.
HALF_TOO_LARGE = [execution("a"), changes.new_execution("b", "w", "v", "x" * 100_000, 1.0)]


def fill(writer: Writer) -> sqlite3.Connection:
    """Let the disk be full for a writer; return its connection."""

    def fill_it(connection: Connection) -> Any:
        pages = connection.alchemy.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.alchemy.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        return connection.driver

    found: sqlite3.Connection = writer.run(fill_it).result(PATIENCE_SECONDS)
    return found


def test_full_disk_fails_after_the_patience_and_leaves_no_half_of_a_unit(
    database: Database, loop: Loop, stored_ids: StoredIds
) -> None:
    writer = Writer(database, loop.post, loop.failures.append, loop.take_refusal, retry_for=0)
    fill(writer)
    writer.write([HALF_TOO_LARGE])

    loop.run_until(lambda: loop.failures)
    writer.close()

    assert "full" in loop.failures[0].message
    assert stored_ids() == []


def test_full_disk_is_tried_again(writer: Writer, loop: Loop, notice: Notice, stored_ids: StoredIds) -> None:
    handed_back: list[str] = []
    connection = fill(writer)
    notice.meanwhile = lambda: connection.execute("PRAGMA max_page_count = 10000")
    writer.write([HALF_TOO_LARGE], lambda: handed_back.append("both"))

    loop.run_until(lambda: handed_back)

    assert notice.came.is_set()
    assert stored_ids() == ["a", "b"]
    assert not loop.failures


def test_lack_of_memory_is_tried_again(
    writer: Writer, loop: Loop, notice: Notice, monkeypatch: pytest.MonkeyPatch, stored_ids: StoredIds
) -> None:
    write = writer._group_commit._write_together

    def fail_once(units: list[Unit]) -> Mapping[int, Exception]:
        if not notice.came.is_set():
            raise MemoryError
        return write(units)

    monkeypatch.setattr(writer._group_commit, "_write_together", fail_once)
    handed_back: list[str] = []
    writer.write([[execution("a")]], lambda: handed_back.append("a"))

    loop.run_until(lambda: handed_back)

    assert notice.came.is_set()
    assert stored_ids() == ["a"]
    assert not loop.refusals


def test_unusable_database_fails_at_once_and_jobs_are_told_too(writer: Writer, loop: Loop) -> None:
    fail(writer)
    writer.write([[execution("a")]])
    loop.run_until(lambda: loop.failures)

    with pytest.raises(StoreWriteFailed, match="readonly"):
        writer.run(lambda _: None).result(PATIENCE_SECONDS)

    assert isinstance(loop.failures[0].__cause__, sqlite3.OperationalError)


@pytest.mark.parametrize("replace", [False, True])
def test_removed_file_is_noticed(writer: Writer, loop: Loop, path: Path, replace: bool) -> None:
    path.rename(path.with_name("moved.db"))
    if replace:
        path.touch()
    writer.write([[execution("a")]])

    loop.run_until(lambda: loop.failures)

    assert "removed or replaced" in loop.failures[0].message
    assert isinstance(loop.failures[0].__cause__, FileNotFoundError)


def test_file_removed_just_before_the_end_is_told(writer: Writer, loop: Loop, path: Path) -> None:
    handed_back: list[str] = []
    writer.write([[execution("a")]], lambda: handed_back.append("a"))
    loop.run_until(lambda: handed_back)
    path.rename(path.with_name("moved.db"))  # less than a second after the last look

    writer.close()
    loop.run_until(lambda: loop.failures)

    assert "removed or replaced" in loop.failures[0].message


def test_defect_in_the_thread_is_told_and_what_comes_later_fails(
    writer: Writer, loop: Loop, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(units: object, *, is_told: bool) -> None:
        raise SystemExit("a defect")

    handed_back: list[str] = []
    monkeypatch.setattr(writer._group_commit, "commit", break_down)
    let_go = hold()
    writer.write([[execution("a")]], lambda: handed_back.append("a"))
    cancelled = writer.run(lambda _: None)
    cancelled.cancel()
    job = writer.run(lambda _: None)
    writer.write([[execution("b")]], lambda: handed_back.append("b"))
    let_go()
    writer.close()  # the end was queued behind all of it
    loop.run_until(lambda: len(loop.failures) == 2)

    assert all("a defect" in failure.message for failure in loop.failures)
    assert isinstance(job.exception(), StoreWriteFailed)
    assert not handed_back
    assert writer.in_flight == 0


def test_function_that_raises_does_not_keep_others_from_their_call(writer: Writer, loop: Loop, hold: Hold) -> None:
    handed_back: list[str] = []

    def refuse(reason: str) -> Callable[[], None]:
        def raise_it() -> None:
            raise ValueError(reason)

        return raise_it

    let_go = hold()
    writer.write([[execution("a")]], refuse("first"))
    writer.write([[execution("b")]], refuse("second"))
    writer.write([[execution("c")]], lambda: handed_back.append("c"))
    let_go()

    with pytest.raises(ExceptionGroup) as raised:
        loop.step()

    assert [str(error) for error in raised.value.exceptions] == ["first", "second"]
    assert handed_back == ["c"]
    assert writer.in_flight == 0


def test_loop_that_has_ended_does_not_end_the_thread(
    database: Database, caplog: pytest.LogCaptureFixture, stored_ids: StoredIds
) -> None:
    def post(callback: Callable[[], None]) -> None:
        raise RuntimeError("the loop is closed")

    writer = Writer(database, post, lambda failure: None, lambda unit, failure: None)
    writer.write([[execution("a")]])
    writer.write([[execution("b")]])
    writer.close()

    assert stored_ids() == ["a", "b"]
    assert writer.in_flight == 0
    assert "after the event loop had ended" in caplog.text


def test_close_after_a_failure_ends_the_thread(writer: Writer, loop: Loop) -> None:
    fail(writer)
    writer.write([[execution("a")]])
    loop.run_until(lambda: loop.failures)

    writer.close()

    assert "cloacina-writer" not in [thread.name for thread in threading.enumerate()]
