"""What the tests of the store share: a database file, and an event loop that the test steps through by hand."""

from __future__ import annotations

import sqlite3
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pytest

from cloacina.store import Database, Writer, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cloacina.errors import StoreWriteFailed
    from cloacina.store.changes import Unit

PATIENCE_SECONDS = 60.0
"""How long a test waits for what has to come: long, because it bounds a hang and times nothing."""


class Loop:
    """Stands in for an event loop: what is posted runs in the test's thread, when the test lets it."""

    def __init__(self) -> None:
        self._posted: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.posts = 0
        self.failures: list[StoreWriteFailed] = []
        self.refusals: list[tuple[Unit, StoreWriteFailed]] = []

    def post(self, callback: Callable[[], None]) -> None:
        """Take a function from any thread."""
        self.posts += 1
        self._posted.put(callback)

    def step(self) -> None:
        """Run the next function, and wait for it when there is none."""
        self._posted.get(timeout=PATIENCE_SECONDS)()

    def take_refusal(self, unit: Unit, failure: StoreWriteFailed) -> None:
        """Note a unit that is not stored."""
        self.refusals.append((unit, failure))

    def run_until(self, claim: Callable[[], object]) -> None:
        """Run functions until a claim holds."""
        while not claim():
            self.step()


@pytest.fixture
def loop() -> Loop:
    """Return a loop that the test steps through."""
    return Loop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the database."""
    return tmp_path / "store.db"


@pytest.fixture
def database(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Yield a new database."""
    # SQLite's own waiting for a lock would otherwise take a second.
    monkeypatch.setattr(connect, "_BUSY_TIMEOUT", 0.01)
    database = Database.open(path, "fast")
    yield database
    database.close()


@pytest.fixture
def writer(database: Database, loop: Loop) -> Iterator[Writer]:
    """Yield a writer that hands back to the loop."""
    writer = Writer(database, loop.post, loop.failures.append, loop.take_refusal)
    yield writer
    writer.close()


@pytest.fixture
def hold(writer: Writer) -> Iterator[Callable[[], Callable[[], None]]]:
    """Return a function that holds the writer's thread, and returns the one that lets it go on.

    So a test decides what one transaction finds in the queue.
    """
    gates: list[threading.Event] = []

    def hold_writer() -> Callable[[], None]:
        gate = threading.Event()
        gates.append(gate)
        writer.run(lambda _: gate.wait(PATIENCE_SECONDS))
        return gate.set

    yield hold_writer
    for gate in gates:
        gate.set()


@pytest.fixture
def stored_ids(path: Path) -> Callable[[], list[str]]:
    """Return a function that reads the ids of the stored executions, as another program would."""

    def read() -> list[str]:
        connection = sqlite3.connect(path)
        try:
            return [row[0] for row in connection.execute("SELECT id FROM workflow_executions ORDER BY id")]
        finally:
            connection.close()

    return read
