"""Promise 13: the database tells the truth at each moment, and in order."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    Context,
    RetryPolicy,
    TaskHandle,
    Workflow,
    task,
)
from cloacina.execution.waiting import flush

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Deferring, Until

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])


class _Reader:
    """Another process, as it were: it reads the file by SQLite alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            return connection.execute(query, parameters).fetchall()

    def task(self, name: str) -> tuple[Any, ...]:
        (row,) = self.rows("SELECT status, sub_status FROM task_executions WHERE task_id = ?", name)
        return row

    def waits(self, name: str) -> list[tuple[Any, ...]]:
        return self.rows("SELECT phase, outcome FROM waits WHERE task_id = ? ORDER BY id", name)

    def events(self, name: str) -> list[str]:
        query = "SELECT type FROM execution_events WHERE task_id = ? ORDER BY number"
        return [kind for (kind,) in self.rows(query, name)]


@pytest.fixture
def database(tmp_path: Path) -> _Reader:
    """Return a reader of a database's file that a runner is to make."""
    return _Reader(tmp_path / "runs.db")


@_BOTH_KINDS
async def test_every_moment_of_a_wait_is_in_the_database(
    kind: str, database: _Reader, deferring: Deferring, until: Until
) -> None:
    is_open = threading.Event()
    occupies, occupant_is_open = anyio.Event(), anyio.Event()
    resumed, may_end = threading.Event(), threading.Event()

    @task(id="wait")
    async def wait(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(is_open.is_set, poll_interval_ms=1)
        resumed.set()
        while not may_end.is_set():
            await anyio.sleep(0.001)

    @task(id="wait")
    def wait_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        handle.defer_until(is_open.is_set, poll_interval_ms=1)
        resumed.set()
        may_end.wait(20)

    @task(id="occupy")
    async def occupy(context: Context) -> None:
        occupies.set()
        await occupant_is_open.wait()

    async with AsyncRunner(database.path, max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[wait if kind == "async def" else wait_blocking]))
        assert database.rows("SELECT id FROM workflow_executions") == [(execution.id,)]

        await until(lambda: database.waits("wait") == [("waiting", None)])
        assert database.task("wait") == ("Running", "Deferred")
        assert database.events("wait") == ["task_started", "task_deferred"]

        occupant = await runner.submit(Workflow("occupies", tasks=[occupy]))
        await occupies.wait()
        await until(lambda: database.task("occupy") == ("Running", "Active"))
        is_open.set()
        await until(lambda: database.waits("wait") == [("resuming", "met")])
        assert database.task("wait") == ("Running", "Deferred")

        occupant_is_open.set()
        await until(resumed.is_set)
        await until(lambda: database.task("wait") == ("Running", "Active"))
        assert database.waits("wait") == [("ended", "met")]
        (await occupant.wait()).raise_for_status()
        assert database.task("occupy") == ("Completed", None)

        may_end.set()
        (await execution.wait()).raise_for_status()
        assert database.task("wait") == ("Completed", None)
        assert database.rows("SELECT status FROM workflow_executions WHERE id = ?", execution.id) == [("Completed",)]
    assert database.events("wait") == [
        "task_started",
        "task_deferred",
        "task_resuming",
        "task_resumed",
        "task_completed",
    ]


async def test_events_tell_of_an_execution_in_order(database: _Reader) -> None:
    attempts: list[int] = []

    @task(retry=RetryPolicy(attempts=2, delay=0))
    def flaky(context: Context) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("not yet")

    @task(dependencies=[flaky])
    async def after(context: Context) -> None:
        pass

    async with AsyncRunner(database.path, max_concurrent_tasks=1) as runner:
        result = (await runner.execute(Workflow("works", tasks=[flaky, after]))).raise_for_status()
        told = await runner.events(result.id)
    stored = database.rows("SELECT type, task_id, attempt, slot FROM execution_events ORDER BY execution_id, number")
    assert stored == [
        ("execution_created", None, None, None),
        ("execution_started", None, None, None),
        ("task_started", "flaky", 1, 0),
        ("task_retrying", "flaky", 1, 0),
        ("task_ready", "flaky", 1, None),
        ("task_started", "flaky", 2, 0),
        ("task_completed", "flaky", 2, 0),
        ("task_ready", "after", None, None),
        ("task_started", "after", 1, 0),
        ("task_completed", "after", 1, 0),
        ("execution_completed", None, None, None),
    ]
    assert [(event.type, event.task_id, event.attempt, event.slot) for event in told] == stored
    assert [event.at for event in told] == sorted(event.at for event in told)


@_BOTH_KINDS
async def test_the_deadline_and_the_last_error_of_a_wait_are_stored_when_they_change(
    kind: str, database: _Reader, deferring: Deferring, until: Until
) -> None:
    calls: list[int] = []
    may_go_on, is_open = threading.Event(), threading.Event()

    def condition() -> bool:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("first call")
        may_go_on.wait(20)
        if is_open.is_set():
            return True
        raise OSError("later call")

    waiting = deferring(kind, "wait", condition, tolerate_errors=10**9, timeout=60)
    async with AsyncRunner(database.path, max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[waiting]))
        query = "SELECT last_error, errors, deadline > started_at FROM waits"
        await until(lambda: database.rows(query))
        assert database.rows(query) == [("OSError: first call", 1, 1)]
        may_go_on.set()
        await until(lambda: database.rows(query)[0][0] == "OSError: later call")
        is_open.set()
        (await execution.wait()).raise_for_status()


async def test_the_counts_of_polls_are_read_live_and_stored_every_few_seconds(
    database: _Reader, deferring: Deferring, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flush, "FLUSH_SECONDS", 0.05)
    calls: list[int] = []
    is_open = threading.Event()

    def condition() -> bool:
        calls.append(1)
        return is_open.is_set()

    async with AsyncRunner(database.path, max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[deferring("async def", "wait", condition)]))
        await until(lambda: len(calls) >= 5)
        before = len(calls)
        (wait,) = await runner.waits(execution.id)
        assert before - 1 <= wait.polls <= len(calls)
        assert wait.next_poll_at is None or wait.next_poll_at >= wait.started_at
        await until(lambda: database.rows("SELECT polls FROM waits")[0][0] >= 5)
        is_open.set()
        (await execution.wait()).raise_for_status()
        assert database.rows("SELECT polls FROM waits") == [(len(calls),)]


async def test_the_next_poll_is_read_live(deferring: Deferring, until: Until) -> None:
    an_hour = 3_600_000
    waiting = deferring("async def", "wait", lambda: False, poll_interval_ms=an_hour)
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[waiting]))

        async def is_planned() -> bool:
            waits = await runner.waits(execution.id)
            return bool(waits) and waits[0].next_poll_at is not None

        await until(is_planned)
        (wait,) = await runner.waits(execution.id)
        assert wait.next_poll_at is not None
        assert 3_500 < (wait.next_poll_at - wait.started_at).total_seconds() <= 3_601
        await execution.cancel()


async def test_what_a_task_changed_is_stored_with_its_completion(database: _Reader) -> None:
    @task
    def change(context: Context) -> None:
        context["written"] = [1, {"two": None}]
        del context["deleted"]
        context["kept"] = "as it was"

    async with AsyncRunner(database.path) as runner:
        initial = {"deleted": 1, "kept": "as it was"}
        (await runner.execute(Workflow("changes", tasks=[change]), initial)).raise_for_status()
    ((changes,),) = database.rows("SELECT changes FROM task_executions")
    assert json.loads(changes) == {"set": {"written": [1, {"two": None}]}, "delete": ["deleted"]}
    ((context, final),) = database.rows("SELECT context, final_context FROM workflow_executions")
    assert json.loads(context) == initial
    assert json.loads(final) == {"written": [1, {"two": None}], "kept": "as it was"}


async def test_a_completion_is_committed_before_a_dependent_starts(database: _Reader) -> None:
    seen: list[tuple[Any, ...]] = []

    @task
    def first(context: Context) -> None:
        pass

    @task(dependencies=[first])
    def second(context: Context) -> None:
        seen.append(database.task("first"))

    workflow = Workflow("chain", tasks=[first, second])
    async with AsyncRunner(database.path) as runner:
        for _ in range(5):
            (await runner.execute(workflow)).raise_for_status()
            with closing(sqlite3.connect(database.path)) as connection, connection:
                connection.execute("DELETE FROM execution_events")
                connection.execute("DELETE FROM task_executions")
    assert seen == [("Completed", None)] * 5


@_BOTH_KINDS
async def test_nothing_of_a_cancelled_wait_is_left_open_in_the_database(
    kind: str, database: _Reader, deferring: Deferring, until: Until
) -> None:
    workflow = Workflow("waits", tasks=[deferring(kind, f"wait_{number}", lambda: False) for number in range(20)])
    with pytest.raises(ZeroDivisionError):
        async with AsyncRunner(database.path, max_concurrent_tasks=1) as runner:
            await runner.submit(workflow)
            await until(lambda: database.rows("SELECT count(*) FROM waits") == [(20,)])
            raise ZeroDivisionError
    assert database.rows("SELECT DISTINCT phase, outcome FROM waits") == [("ended", "cancelled")]
    assert database.rows("SELECT DISTINCT status, sub_status FROM task_executions") == [("Cancelled", None)]
