"""Who owns an execution of a file that several processes share, and how they wake each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

import pytest

from cloacina.store import Database, EventType, ExecutionStatus, SubStatus, TaskStatus, WaitPhase, changes
from cloacina.store.changes import Change
from cloacina.store.claims import claim, is_dead, register_runner, release_dead, tell_runner
from cloacina.store.connection import Connection
from cloacina.store.group_commit import GroupCommit
from cloacina.store.ownership import Place, RunnerLock, is_locked, lock_path
from cloacina.store.records import SignalKind, WaitKind
from cloacina.store.statements import STATEMENTS
from cloacina.store.syncing import Syncing
from cloacina.store.wake import Listener, wake

PATIENCE_SECONDS = 60.0


@contextmanager
def program(source: str, *arguments: object) -> Generator[subprocess.Popen[str]]:
    """Run a program that says `ready`, and go on when it has; it ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", source, *map(str, arguments)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    timer = threading.Timer(PATIENCE_SECONDS, process.kill)
    timer.start()
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        timer.cancel()
        process.kill()
        process.communicate()


HOLD = """
import sys
from pathlib import Path
from cloacina.store.ownership import RunnerLock
lock = RunnerLock.take(Path(sys.argv[1]), "r")
print("ready", flush=True)
sys.stdin.read()
"""

HOLD_AND_FORK = """
import os, sys, warnings
from pathlib import Path
from cloacina.store.ownership import RunnerLock
lock = RunnerLock.take(Path(sys.argv[1]), "r")
if not os.fork():
    print("ready", flush=True)  # with what it inherited put away
sys.stdin.read()
"""


def test_lock_is_held_by_a_living_runner_alone(tmp_path: Path) -> None:
    database = tmp_path / "runs.db"
    path = lock_path(database, "r")
    assert is_locked(path) is None

    with program(HOLD, database) as runner:
        assert is_locked(path) is True
        runner.send_signal(signal.SIGSTOP)
        assert is_locked(path) is True, "a stopped runner owns what it has begun"
        runner.send_signal(signal.SIGCONT)
        runner.kill()
        runner.wait()

        assert is_locked(path) is False


def test_lock_of_a_killed_runner_is_free_although_its_forked_child_lives(tmp_path: Path) -> None:
    database = tmp_path / "runs.db"

    with program(HOLD_AND_FORK, database) as runner:
        assert is_locked(lock_path(database, "r")) is True
        os.kill(runner.pid, signal.SIGKILL)
        runner.wait()

        assert is_locked(lock_path(database, "r")) is False


def test_lock_is_seen_in_the_process_that_holds_it_and_removed_with_it(tmp_path: Path) -> None:
    lock = RunnerLock.take(tmp_path / "runs.db", "r")

    assert is_locked(lock.path) is True
    assert lock.path.stat().st_mode & 0o777 == 0o600
    lock.release()
    lock.release()

    assert list(tmp_path.iterdir()) == []


def test_lock_may_be_opened_by_whoever_may_write_to_the_database(tmp_path: Path) -> None:
    database = tmp_path / "runs.db"
    database.touch()
    database.chmod(0o660)

    lock = RunnerLock.take(database, "r")

    assert lock.path.stat().st_mode & 0o777 == 0o660
    lock.release()


@pytest.mark.parametrize("error", [PermissionError, OSError], ids=["another user's", "too many files"])
def test_lock_that_cannot_be_opened_counts_as_held_however_long_its_runner_was_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[OSError]
) -> None:
    lock = RunnerLock.take(tmp_path / "runs.db", "r")
    lock.close()  # As the process of a dead runner does.

    def refuse(path: Path, flags: int) -> int:
        raise error(str(path), flags)

    monkeypatch.setattr(os, "open", refuse)
    assert not is_dead(tmp_path / "runs.db", "r", seen_at=0.0, now=1e9)
    monkeypatch.undo()
    assert is_dead(tmp_path / "runs.db", "r", seen_at=1e9, now=1e9)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "runs.db")
    yield database
    database.close()


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect() as connection:
        yield connection


def write(database: Database, *written: Change) -> None:
    with database.connect() as connection:
        driver = connection.driver
        commits = GroupCommit(driver, STATEMENTS, Syncing(driver, "fast"), retry_for=0)
        assert commits.commit([written]) == {}


def new_runner(connection: Connection, runner_id: str, seen_at: float = 100.0) -> None:
    register_runner(connection, runner_id, Place.here(), seen_at, None, 4, "1")


def owners(connection: Connection) -> dict[str, str | None]:
    rows = connection.alchemy.exec_driver_sql("SELECT id, runner_id FROM workflow_executions")
    return {row[0]: row[1] for row in rows}


def test_what_a_dead_runner_left_is_free_and_blamed_on_the_bodies_that_held_a_slot(
    database: Database, connection: Connection
) -> None:
    assert database.address.path is not None
    living = RunnerLock.take(database.address.path, "living")
    dead = RunnerLock.take(database.address.path, "dead")
    dead.close()
    for runner_id, seen_at in (("living", 0.0), ("dead", 100.0), ("removed", 84.0), ("removed lately", 99.0)):
        new_runner(connection, runner_id, seen_at)
    connection.commit()
    for number, runner_id in enumerate(("living", "dead", "removed", "removed lately")):
        write(database, changes.new_execution(f"e{number}", "w", "v", "{}", 1.0, runner_id))
    write(database, changes.new_execution("ended", "w", "v", "{}", 1.0, "dead"))
    write(database, changes.execution_state("ended", ExecutionStatus.FAILED, 1.0, 2.0, "{}", None))
    for task, sub_status in (("active", SubStatus.ACTIVE), ("deferred", SubStatus.DEFERRED)):
        write(database, changes.new_task(task, "e1", task, 0, TaskStatus.READY))
        write(database, changes.task_state(task, "e1", TaskStatus.RUNNING, sub_status, 1, 1.0, None, None, None))

    found = release_dead(connection, database.address.path, "me", 100.0)

    assert sorted(found) == ["dead", "removed"]
    assert owners(connection) == {
        "e0": "living",
        "e1": None,
        "e2": None,
        "e3": "removed lately",
        "ended": "dead",
    }
    recoveries = connection.alchemy.exec_driver_sql("SELECT id, recoveries FROM task_executions ORDER BY id").all()
    assert [tuple(row) for row in recoveries] == [("active", 1), ("deferred", 0)]
    assert release_dead(connection, database.address.path, "me", 100.0) == []
    living.release()


def test_claim_takes_free_executions_of_known_workflows_once_oldest_first(
    database: Database, connection: Connection
) -> None:
    for number in range(5):
        write(database, changes.new_execution(f"{number}", "known", "v", "{}", 1.0))
    write(database, changes.new_execution("a", "unknown", "v", "{}", 1.0))
    write(database, changes.new_execution("b", "known", "v", "{}", 1.0, "other"))
    write(database, changes.new_execution("c", "known", "v", "{}", 1.0))
    write(database, changes.execution_state("c", ExecutionStatus.CANCELLED, None, 1.0, "{}", None))

    assert [found.id for found in claim(connection, "me", ["known", "x"], 3, 9.0)] == ["0", "1", "2"]
    assert [found.id for found in claim(connection, "you", ["known"], 3, 9.0)] == ["3", "4"]
    assert claim(connection, "me", ["known"], 3, 9.0) == []
    assert owners(connection) | {"0": "me", "3": "you", "a": None, "b": "other", "c": None} == owners(connection)


def test_claimed_execution_comes_with_all_that_going_on_needs(database: Database, connection: Connection) -> None:
    write(
        database,
        changes.new_execution("e", "w", "v", '{"a":1}', 1.0),
        changes.new_task("t2", "e", "second", 1, TaskStatus.PENDING),
        changes.new_task("t1", "e", "first", 0, TaskStatus.READY),
        changes.new_wait(
            "w1", "e", "t2", "second", WaitPhase.WAITING, 2.0, 9.0, None, kind=WaitKind.SIGNAL, name="paid", attempt=1
        ),
        changes.new_wait("w2", "e", "t2", "second", WaitPhase.WAITING, 3.0, None, 50, name="later", attempt=2),
        changes.new_wait("w3", "e", "t2", "second", WaitPhase.WAITING, 3.0, None, 50, attempt=2),
        changes.new_signal("s1", "e", SignalKind.SIGNAL, "paid", "[1]", 4.0),
        changes.new_signal("s2", "e", SignalKind.CANCEL, "", None, 5.0, sender="ada"),
        changes.checkpoint("t2", "e", "charge", "#1", '"receipt"', 1, "v", 6.0),
        changes.event("e", 1, None, None, EventType.EXECUTION_CREATED, 1.0),
        changes.event("e", 7, None, None, EventType.EXECUTION_STARTED, 1.0),
    )
    write(
        database,
        changes.execution_state("e", ExecutionStatus.RUNNING, 1.5, None, None, None),
        changes.task_state("t1", "e", TaskStatus.COMPLETED, None, 1, 1.5, 1.75, '{"set":{"b":2}}', None),
        changes.task_state("t2", "e", TaskStatus.RUNNING, SubStatus.DEFERRED, 2, 2.0, None, None, None, None, 1, "x"),
        changes.wait_state("w1", "e", WaitPhase.ENDED, 0, None, 0, None, "met", 4.5, "[1]", "s1"),
        changes.wait_state("w3", "e", WaitPhase.ENDED, 3, None, 0, None, "cancelled", 4.5),
        changes.signal_state("s1", "e", 4.25, "w1"),
    )

    (found,) = claim(connection, "me", ["w"], 10, 9.0)

    assert (found.id, found.workflow, found.status, found.context, found.started_at) == (
        "e",
        "w",
        "Running",
        '{"a":1}',
        1.5,
    )
    assert [(task.task_id, task.status, task.changes, task.recoveries) for task in found.tasks] == [
        ("first", "Completed", '{"set":{"b":2}}', 0),
        ("second", "Running", None, 1),
    ]
    assert [(wait.id, wait.phase, wait.outcome, wait.value) for wait in found.waits["t2"]] == [
        ("w1", "ended", "met", "[1]"),
        ("w2", "waiting", None, None),
    ]
    assert [(made.name, made.key, made.value) for made in found.checkpoints["t2"]] == [("charge", "#1", '"receipt"')]
    assert [(sent.id, sent.kind, sent.sender) for sent in found.signals] == [("s2", "cancel", "ada")]
    assert found.events == 7


def test_runner_tells_what_it_knows_and_that_it_stops(connection: Connection) -> None:
    new_runner(connection, "r")
    tell_runner(connection, "r", 200.0, workflows={"b", "a"})
    tell_runner(connection, "r", 300.0, status="stopping")

    row = connection.alchemy.exec_driver_sql("SELECT status, seen_at, workflows, pid FROM runners").one()
    assert tuple(row) == ("stopping", 300.0, '["a", "b"]', os.getpid())


WAKE = """
import sys
from cloacina.store.wake import wake
print("ready", flush=True)
for _ in range(1000):
    wake(sys.argv[1])
"""


@pytest.mark.parametrize("folder", ["short", "a name that is longer than the address of a socket may be " * 3])
def test_listener_looks_when_another_process_wakes_it_and_leaves_nothing(tmp_path: Path, folder: str) -> None:
    parent = tmp_path / folder
    parent.mkdir()
    looks: SimpleQueue[bool] = SimpleQueue()
    failures: list[BaseException] = []
    listener = Listener(parent / "runs.db", "r", looks.put, failures.append)
    assert listener.address is not None
    assert Path(listener.address).stat().st_mode & 0o777 == 0o600
    listener.start()
    try:
        assert looks.get(timeout=PATIENCE_SECONDS) is True
        with program(WAKE, listener.address):
            while not looks.get(timeout=PATIENCE_SECONDS):
                """It looked because time had passed, not because it was woken."""
    finally:
        listener.close()
        listener.close()

    assert failures == []
    assert list(parent.iterdir()) == []
    wake(listener.address)  # of a runner that is gone: nothing happens
    wake(None)


def test_failure_of_a_look_is_told(tmp_path: Path) -> None:
    failures: SimpleQueue[BaseException] = SimpleQueue()

    def look(is_woken: bool) -> None:
        raise OSError("gone")

    listener = Listener(tmp_path / "runs.db", "r", look, failures.put)
    listener.start()

    assert str(failures.get(timeout=PATIENCE_SECONDS)) == "gone"
    listener.close()
