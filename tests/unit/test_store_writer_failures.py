"""What the writer does when the database, a unit of changes or the loop fails."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cloacina.errors import StoreWriteFailed
from cloacina.store import Database, EventType, Writer, changes
from cloacina.store.changes import Change

if TYPE_CHECKING:
    from tests.unit.conftest import Loop


Hold = Callable[[], Callable[[], None]]
StoredIds = Callable[[], list[str]]
PATIENCE_SECONDS = 20.0


def execution(name: str) -> Change:
    return changes.new_execution(name, "w", "v", "{}", 1.0)


def started(name: str) -> Change:
    return changes.event(name, 1, None, None, EventType.EXECUTION_STARTED, 1.0)


def test_refused_unit_is_told_and_its_companions_are_stored(
    writer: Writer, loop: Loop, hold: Hold, stored_ids: StoredIds
) -> None:
    handed_back: list[str] = []
    let_go = hold()
    writer.write([execution("a")], lambda: handed_back.append("a"))
    writer.write([execution("b"), started("nowhere")], lambda: handed_back.append("b"))
    writer.write([execution("c")], lambda: handed_back.append("c"))
    let_go()

    loop.run_until(lambda: loop.failures)

    assert handed_back == ["a", "c"]
    assert stored_ids() == ["a", "c"]
    (failure,) = loop.failures
    assert isinstance(failure.__cause__, sqlite3.IntegrityError)
    assert "FOREIGN KEY constraint failed" in failure.message
    assert writer.in_flight == 0


def test_writer_goes_on_after_a_refused_unit(writer: Writer, loop: Loop, stored_ids: StoredIds) -> None:
    handed_back: list[str] = []
    writer.write([started("nowhere")])
    loop.run_until(lambda: loop.failures)
    writer.write([execution("a")], lambda: handed_back.append("a"))

    loop.run_until(lambda: handed_back)

    assert stored_ids() == ["a"]


@pytest.mark.parametrize("malformed", [None, [("event",)], [(0, None)]])
def test_malformed_unit_does_not_end_the_thread(
    writer: Writer, loop: Loop, malformed: Any, hold: Hold, stored_ids: StoredIds
) -> None:
    handed_back: list[str] = []
    let_go = hold()
    writer.write(malformed)
    writer.write([execution("a")], lambda: handed_back.append("a"))
    let_go()

    loop.run_until(lambda: handed_back)

    assert stored_ids() == ["a"]


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


def test_lock_of_another_program_is_waited_for(
    writer: Writer, loop: Loop, path: Path, notice: Notice, stored_ids: StoredIds
) -> None:
    handed_back: list[str] = []
    lock = Lock(path)
    writer.write([execution("a")], lambda: handed_back.append("a"))
    assert notice.came.wait(PATIENCE_SECONDS)  # it has tried, and says so
    assert not handed_back
    lock.release()

    loop.run_until(lambda: handed_back)

    assert stored_ids() == ["a"]
    assert not loop.failures


def fail(writer: Writer) -> None:
    """Make the database of a writer unusable."""
    writer.run(lambda connection: connection.exec_driver_sql("PRAGMA query_only = ON")).result(PATIENCE_SECONDS)


def test_lock_that_is_held_too_long_fails_this_and_all_later_writes(
    database: Database, loop: Loop, path: Path, notice: Notice, stored_ids: StoredIds
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
    assert stored_ids() == []
    assert all(isinstance(failure.__cause__, sqlite3.OperationalError) for failure in loop.failures)
    assert "database is locked" in loop.failures[0].message
    assert str(path) in loop.failures[0].message
    assert writer.in_flight == 0


def test_full_disk_fails_after_the_patience_and_leaves_no_half_of_a_unit(
    database: Database, loop: Loop, stored_ids: StoredIds
) -> None:
    writer = Writer(database, loop.post, loop.failures.append, retry_for=0)
    pages = writer.run(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar_one()).result()
    writer.run(lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")).result()
    writer.write([execution("a"), changes.new_execution("b", "w", "v", "x" * 100_000, 1.0)])

    loop.run_until(lambda: loop.failures)
    writer.close()

    assert "full" in loop.failures[0].message
    assert stored_ids() == []


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
    writer: Writer, loop: Loop, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(units: object) -> None:
        raise SystemExit("a defect")

    handed_back: list[str] = []
    monkeypatch.setattr(writer._group_commit, "commit", break_down)
    let_go = hold()
    writer.write([execution("a")], lambda: handed_back.append("a"))
    cancelled = writer.run(lambda _: None)
    cancelled.cancel()
    job = writer.run(lambda _: None)
    writer.write([execution("b")], lambda: handed_back.append("b"))
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
    writer.write([execution("a")], refuse("first"))
    writer.write([execution("b")], refuse("second"))
    writer.write([execution("c")], lambda: handed_back.append("c"))
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

    writer = Writer(database, post, lambda failure: None)
    writer.write([execution("a")])
    writer.write([execution("b")])
    writer.close()

    assert stored_ids() == ["a", "b"]
    assert writer.in_flight == 0
    assert "after the event loop had ended" in caplog.text


def test_close_after_a_failure_ends_the_thread(writer: Writer, loop: Loop) -> None:
    fail(writer)
    writer.write([execution("a")])
    loop.run_until(lambda: loop.failures)

    writer.close()

    assert "cloacina-writer" not in [thread.name for thread in threading.enumerate()]
