"""The writer's promises: order, grouping, the hand-over to the loop, jobs and closing."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cloacina.errors import StoreUnavailable, StoreWriteFailed
from cloacina.store import Database, EventType, Writer, changes, queries
from cloacina.store.changes import Change
from cloacina.store.connection import Connection
from cloacina.store.lookup import newest_id
from cloacina.store.syncing import Durability
from syncs import FULL, Syncs

if TYPE_CHECKING:
    from tests.unit.conftest import Loop


Hold = Callable[[], Callable[[], None]]
StoredIds = Callable[[], list[str]]
PATIENCE_SECONDS = 20.0


def execution(name: str) -> Change:
    return changes.new_execution(name, "w", "v", "{}", 1.0)


def started(name: str) -> Change:
    return changes.event(name, 1, None, None, EventType.EXECUTION_STARTED, 1.0)


class Transactions:
    """Counts the transactions in which rows of a connection were committed."""

    def __init__(self, writer: Writer) -> None:
        self.count = 0
        writer.run(self._listen).result(PATIENCE_SECONDS)

    def _listen(self, connection: Connection) -> None:
        driver: Any = connection.driver
        driver.set_trace_callback(self._trace)

    def _trace(self, statement: str) -> None:
        self.count += statement == "COMMIT"


def test_unit_is_committed_when_it_is_handed_back(writer: Writer, loop: Loop, stored_ids: StoredIds) -> None:
    found: list[list[str]] = []
    writer.write([[execution("a")]], lambda: found.append(stored_ids()))

    loop.run_until(lambda: found)

    assert found == [["a"]]


def test_units_that_wait_are_committed_together_and_handed_back_in_one_post_in_order(
    writer: Writer, loop: Loop, hold: Hold, stored_ids: StoredIds
) -> None:
    handed_back: list[int] = []
    transactions = Transactions(writer)
    let_go = hold()
    for number in range(300):
        writer.write([[execution(f"{number:03}")]], partial(handed_back.append, number))
    let_go()

    loop.run_until(lambda: len(handed_back) == 300)

    assert handed_back == list(range(300))
    assert loop.posts == 1
    assert transactions.count == 1
    assert len(stored_ids()) == 300


def test_those_who_wait_for_a_large_transaction_are_told_in_portions_between_which_others_have_their_turn(
    writer: Writer, loop: Loop, hold: Hold
) -> None:
    turns: list[int] = []
    handed_back: list[int] = []

    def interrupt() -> None:
        raise KeyboardInterrupt

    let_go = hold()
    for number in range(1_200):
        call = interrupt if number == 700 else partial(handed_back.append, number)
        writer.write([[execution(f"{number:04}")]], call)
    writer.run(lambda _: None)  # Ends the transaction.
    writer.write([], partial(handed_back.append, 1_200))
    let_go()
    while len(handed_back) < 1_200:
        with suppress(KeyboardInterrupt):
            loop.step()
        turns.append(len(handed_back))

    assert list(dict.fromkeys(turns))[:2] == [500, 700]
    assert handed_back == [number for number in range(1_201) if number != 700]
    while writer.in_flight:
        loop.step()


def test_a_transaction_is_bounded_and_no_unit_is_split(
    writer: Writer, loop: Loop, monkeypatch: pytest.MonkeyPatch, hold: Hold
) -> None:
    monkeypatch.setattr("cloacina.store.writer._BATCHES_PER_TRANSACTION", 10)
    seen: list[int] = []
    transactions = Transactions(writer)
    let_go = hold()
    for number in range(25):
        writer.write([[execution(f"{number}"), started(f"{number}")]], partial(seen.append, number))
    let_go()

    loop.run_until(lambda: len(seen) == 25)

    assert seen == list(range(25))
    assert transactions.count == loop.posts == 3


def test_write_returns_while_the_writer_is_busy_and_counts_what_is_in_flight(
    writer: Writer, loop: Loop, hold: Hold
) -> None:
    let_go = hold()
    assert writer.in_flight == 0
    writer.write([[execution("a")]])
    writer.write([[execution("b")]])
    assert writer.in_flight == 2
    let_go()

    writer.run(lambda _: None).result(PATIENCE_SECONDS)
    assert writer.in_flight == 2  # committed, but not handed back
    loop.step()

    assert writer.in_flight == 0


def test_unit_without_changes_is_a_barrier(writer: Writer, loop: Loop, stored_ids: StoredIds) -> None:
    found: list[list[str]] = []
    writer.write([[execution("a")]])
    writer.write((), lambda: found.append(stored_ids()))

    loop.run_until(lambda: found)

    assert found == [["a"]]


def test_barrier_alone_begins_no_transaction(writer: Writer, loop: Loop) -> None:
    transactions = Transactions(writer)
    reached: list[bool] = []
    writer.write((), lambda: reached.append(True))

    loop.run_until(lambda: reached)

    assert transactions.count == 0


def test_threads_may_write_at_once(writer: Writer, loop: Loop, stored_ids: StoredIds) -> None:
    handed_back: list[str] = []

    def write(prefix: str) -> None:
        for number in range(100):
            name = f"{prefix}{number:03}"
            writer.write([[execution(name)]], partial(handed_back.append, name))

    threads = [threading.Thread(target=write, args=(prefix,)) for prefix in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    loop.run_until(lambda: len(handed_back) == 400)

    assert len(stored_ids()) == 400
    for prefix in "abcd":
        mine = [name for name in handed_back if name.startswith(prefix)]
        assert mine == sorted(mine)
    assert writer.in_flight == 0


def test_finalizer_that_writes_while_a_unit_is_queued_does_not_block(writer: Writer, loop: Loop) -> None:
    class Units(list[list[Change]]):
        """Writes while it is being queued, as a lost token does when memory is collected at that moment."""

    handed_back: list[str] = []
    real = writer._queue

    class Reentrant:
        def put(self, item: Any) -> None:
            writer._queue = real
            writer.write([[execution("b")]], lambda: handed_back.append("b"))
            real.put(item)

        get = real.get
        get_nowait = real.get_nowait

    writer._queue = Reentrant()  # type: ignore[assignment]
    writer.write(Units([[execution("a")]]), lambda: handed_back.append("a"))
    loop.run_until(lambda: len(handed_back) == 2)

    assert writer.in_flight == 0


def test_job_runs_in_the_writers_thread_behind_what_was_queued_before(writer: Writer) -> None:
    def look(connection: Connection) -> tuple[str, list[str]]:
        return threading.current_thread().name, [found.id for found in queries.executions(connection)]

    writer.write([[execution("a")]])

    assert writer.run(look).result(PATIENCE_SECONDS) == ("cloacina-writer", ["a"])


def test_job_leaves_nothing_behind(writer: Writer, loop: Loop, path: Path) -> None:
    def write(connection: Connection) -> None:
        connection.alchemy.exec_driver_sql("INSERT INTO cloacina_revision VALUES ('x')")

    handed_back: list[str] = []
    writer.run(write).result(PATIENCE_SECONDS)
    writer.write([[execution("a")]], lambda: handed_back.append("a"))
    loop.run_until(lambda: handed_back)

    assert writer.run(lambda c: c.run("SELECT count(*) FROM cloacina_revision").fetchone()).result() == (1,)


def test_request_sees_what_was_queued_before_and_is_committed_or_leaves_nothing(
    writer: Writer, hold: Hold, stored_ids: StoredIds
) -> None:
    def double(connection: Connection, *, breaks: bool) -> int:
        found = len(queries.executions(connection))
        connection.alchemy.exec_driver_sql("UPDATE workflow_executions SET id = id || id")
        if breaks:
            raise LookupError("there is none")
        return found

    let_go = hold()
    writer.write([[execution("a")]])
    doubled = writer.transact(partial(double, breaks=False))
    broken = writer.transact(partial(double, breaks=True))
    let_go()

    assert doubled.result(PATIENCE_SECONDS) == 1
    with pytest.raises(LookupError):
        broken.result(PATIENCE_SECONDS)
    assert stored_ids() == ["aa"]


def test_error_of_a_job_goes_to_who_waits_for_it(writer: Writer) -> None:
    def divide(connection: Connection) -> float:
        return 1 / 0

    with pytest.raises(ZeroDivisionError):
        writer.run(divide).result(PATIENCE_SECONDS)

    assert writer.run(lambda _: "still there").result(PATIENCE_SECONDS) == "still there"


def test_cancelled_job_does_not_run(writer: Writer, hold: Hold) -> None:
    ran: list[bool] = []
    let_go = hold()
    job = writer.run(lambda _: ran.append(True))
    assert job.cancel()
    let_go()

    writer.run(lambda _: None).result(PATIENCE_SECONDS)

    assert not ran


def test_close_writes_what_is_queued_and_empties_the_log(
    writer: Writer, path: Path, hold: Hold, stored_ids: StoredIds
) -> None:
    let_go = hold()
    for number in range(500):
        writer.write([[execution(f"{number:03}")]])
    let_go()

    writer.close()

    assert len(stored_ids()) == 500
    log = path.with_name("store.db-wal")
    assert not log.exists() or log.stat().st_size == 0
    assert "cloacina-writer" not in [thread.name for thread in threading.enumerate()]


def test_the_log_is_moved_into_the_file_while_the_writer_goes_on(
    writer: Writer, loop: Loop, hold: Hold, stored_ids: StoredIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = Database.checkpoint
    is_moving, may_move = threading.Event(), threading.Event()
    moved: list[str] = []

    def wait_and_move(self: Database, connection: Connection, **options: bool) -> None:
        is_moving.set()
        assert may_move.wait(PATIENCE_SECONDS)
        move(self, connection, **options)
        moved.append(threading.current_thread().name)

    monkeypatch.setattr(Database, "checkpoint", wait_and_move)
    handed_back: list[str] = []
    let_go = hold()
    for number in range(500):
        writer.write([[execution(f"{number:03}")]])
    let_go()
    assert is_moving.wait(PATIENCE_SECONDS)
    writer.write([[execution("meanwhile")]], lambda: handed_back.append("meanwhile"))

    loop.run_until(lambda: handed_back)

    assert len(stored_ids()) == 501
    most: Any = writer.run(lambda c: c.run("PRAGMA wal_autocheckpoint").fetchone()[0]).result()
    assert most > 1_000
    may_move.set()
    writer.close()
    assert moved == ["cloacina-backfill", "cloacina-writer"]
    assert "cloacina-backfill" not in [thread.name for thread in threading.enumerate()]


def test_close_may_be_called_again_and_then_nothing_is_taken(writer: Writer) -> None:
    writer.close()
    writer.close()

    with pytest.raises(StoreWriteFailed, match="closed"):
        writer.write([[execution("a")]])
    with pytest.raises(StoreUnavailable, match="closed"):
        writer.run(lambda _: None)
    assert writer.in_flight == 0


def test_close_while_another_program_reads_keeps_everything(writer: Writer, path: Path, stored_ids: StoredIds) -> None:
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM workflow_executions").fetchone()
    writer.write([[execution("a")]])

    writer.close()
    reader.close()

    assert stored_ids() == ["a"]


@pytest.mark.parametrize(
    ("durability", "expected"), [("full", [False, True, False, True, True]), ("fast", [False] * 5)]
)
def test_commit_waits_for_the_disk_if_somebody_is_told_of_it(
    tmp_path: Path, loop: Loop, durability: Durability, expected: list[bool]
) -> None:
    database = Database.open(tmp_path / "another.db", durability)
    writer = Writer(database, loop.post, loop.failures.append, loop.take_refusal)
    syncs = writer.run(lambda c: Syncs(c.driver)).result(PATIENCE_SECONDS)
    gate = threading.Event()

    def tell() -> None:
        pass

    for name, on_commit in (("a", None), ("b", tell), ("c", None)):
        writer.write([[execution(name)]], on_commit)
        writer.run(bool).result(PATIENCE_SECONDS)
    writer.run(lambda _: gate.wait(PATIENCE_SECONDS))
    for name, on_commit in (("d", None), ("e", tell), ("f", None)):
        writer.write([[execution(name)]], on_commit)
    gate.set()
    writer.transact(newest_id).result(PATIENCE_SECONDS)
    level = writer.run(lambda c: c.alchemy.exec_driver_sql("PRAGMA synchronous").scalar_one()).result(PATIENCE_SECONDS)
    writer.close()
    database.close()

    assert [is_synced for _, is_synced in syncs.found] == expected
    assert (level == FULL) is expected[-1]
