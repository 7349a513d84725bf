"""One file and several processes: created at once, read while it is written, and left by a process that is killed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from cloacina.store import Database, EventType, TaskStatus, Writer, changes, queries
from cloacina.store.changes import Change

PATIENCE_SECONDS = 60.0


@contextmanager
def child(program: str, *arguments: object) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # A child that hangs ends with the test, not the other way round.
    timer = threading.Timer(PATIENCE_SECONDS, process.kill)
    timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        process.kill()
        process.communicate()


def fail(*failure: object) -> None:
    raise RuntimeError(failure)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    text = process.stdout.readline().strip()
    if not text:
        _, errors = process.communicate()
        pytest.fail(f"the child ended: {errors}")
    return text


def tell(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{text}\n")
    process.stdin.flush()


OPEN_AND_WRITE = """
import sys
from pathlib import Path
from cloacina.store import Database, Writer, changes

def fail(*failure):
    raise RuntimeError(failure)

print("ready", flush=True)
for line in sys.stdin:
    database = Database.open(Path(line.strip()))
    writer = Writer(database, lambda call: call(), fail, fail)
    writer.write([[changes.new_execution(sys.argv[1], "w", "v", "{}", 1.0)]])
    writer.close()
    database.close()
    print("done", flush=True)
"""


def test_processes_may_create_one_file_at_once(tmp_path: Path) -> None:
    names = ["a", "b", "c", "d"]
    with ExitStack() as stack:
        children = [stack.enter_context(child(OPEN_AND_WRITE, name)) for name in names]
        assert [line(process) for process in children] == ["ready"] * 4
        for number in range(12):
            path = tmp_path / f"{number}.db"
            for process in children:
                tell(process, str(path))
            assert [line(process) for process in children] == ["done"] * 4

            database = Database.open(path)
            assert {found.id for found in database.read(queries.executions)} == set(names)
            database.close()


READ = """
import sqlite3, sys
connection = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, isolation_level=None, timeout=0)
last, wanted = -1, int(sys.argv[2])
reads = 0
while last < wanted:
    connection.execute("BEGIN")
    counts = [
        connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("workflow_executions", "task_executions", "execution_events")
    ]
    connection.execute("ROLLBACK")
    assert len(set(counts)) == 1, f"half of a unit: {counts}"
    assert counts[0] >= last
    last = counts[0]
    if reads == 0:
        print("reading", flush=True)
    reads += 1
print("saw", last, flush=True)
"""


def unit(number: int) -> list[Change]:
    name = f"{number:06}"
    return [
        changes.new_execution(name, "w", "v", "{}", 1.0),
        changes.new_task(f"{name}-t", name, "load", 0, TaskStatus.READY),
        changes.event(name, 1, None, None, EventType.EXECUTION_CREATED, 1.0),
    ]


def test_another_process_reads_whole_units_while_one_writes(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    database = Database.open(path)
    writer = Writer(database, lambda call: call(), fail, fail)
    writer.write([unit(0)])
    writer.run(lambda _: None).result(PATIENCE_SECONDS)

    with child(READ, path, 2_000) as reader:
        assert line(reader) == "reading"
        for number in range(1, 2_000):
            writer.write([unit(number)])
            if number % 20 == 0:  # in many transactions, with the reader in between
                writer.run(lambda _: None).result(PATIENCE_SECONDS)
        assert line(reader) == "saw 2000"
    writer.close()
    database.close()


WRITE_UNTIL_KILLED = """
import itertools, sys, threading
from functools import partial
from pathlib import Path
from cloacina.store import Database, EventType, TaskStatus, Writer, changes

def fail(*failure):
    raise RuntimeError(failure)

def acknowledge(number):
    print(number, flush=True)
    room.release()

room = threading.Semaphore(50)
writer = Writer(Database.open(Path(sys.argv[1])), lambda call: call(), fail, fail)
for number in itertools.count():
    room.acquire()
    name = f"{number:06}"
    unit = [
        changes.new_execution(name, "w", "v", "{}", 1.0),
        changes.new_task(f"{name}-t", name, "load", 0, TaskStatus.READY),
        changes.event(name, 1, None, None, EventType.EXECUTION_CREATED, 1.0),
    ]
    writer.write([unit], partial(acknowledge, number))
"""


@pytest.mark.parametrize("acknowledged", [1, 400, 1500])
def test_what_was_handed_back_survives_the_death_of_the_process(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "store.db"
    with child(WRITE_UNTIL_KILLED, path) as process:
        assert [int(line(process)) for _ in range(acknowledged)] == list(range(acknowledged))
        process.kill()
        assert process.stdout is not None
        rest = process.stdout.read()
    # The last number may have been cut short.
    handed_back = [acknowledged - 1, *map(int, rest.split("\n")[:-1])]
    last = handed_back[-1]

    database = Database.open(path)
    found = database.read(queries.executions, limit=1_000_000)
    database.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    tasks, events = (
        [row[0] for row in connection.execute(f"SELECT execution_id FROM {table} ORDER BY execution_id")]
        for table in ("task_executions", "execution_events")
    )
    connection.close()

    stored = sorted(record.id for record in found)
    assert stored[: last + 1] == [f"{number:06}" for number in range(last + 1)]
    assert stored == tasks == events  # no half of a unit
