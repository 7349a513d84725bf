"""Pruning: what ended long ago goes with all its rows, and nothing else does."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
from sqlalchemy import func, insert, select, text, update

from cloacina import (
    AsyncClient,
    AsyncRunner,
    Client,
    Context,
    InvalidOption,
    Runner,
    StoreWriteFailed,
    TaskHandle,
    Workflow,
    task,
)
from cloacina.store import Database, pruning
from cloacina.store.connection import Connection
from cloacina.store.records import TaskStatus
from cloacina.store.requests import Message, NewExecution, NewTask, retry, signal, submit
from cloacina.store.tables import checkpoints, metadata, waits, workflow_executions

# By status and the moment of the end.
OLD = [("Completed", 1.0), ("Failed", 2.0), ("Cancelled", 3.0), ("Completed", 4.0), ("Completed", 5.0)]
OTHERS = [("Pending", None), ("Running", None), ("Completed", 1e12)]
PATIENCE_SECONDS = 60.0
TABLES = [table for table in metadata.sorted_tables if table.name != "runners"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a database with executions that have two rows in every table."""
    path = tmp_path / "orders.db"
    database = Database.open(path)
    database.write(_fill)
    database.close()
    return path


def _fill(connection: Connection) -> None:
    # Old ones lie between others.
    for number, (status, finished_at) in enumerate([OTHERS[0], *OLD, *OTHERS[1:]]):
        execution = f"e{number}"
        tasks = [NewTask(f"{execution}-{name}", name, TaskStatus.READY) for name in ("a", "b")]
        submit(connection, [NewExecution(execution, "order", "v", "{}", tasks)], 1.0, key=execution)
        for new in tasks:
            signal(connection, execution, Message(f"s-{new.id}", 1.0), "paid", None)
            of_task = {"execution_id": execution, "task_execution_id": new.id, "task_id": new.task_id}
            connection.execute(insert(waits).values(of_task | {"id": new.id, "phase": "ended", "started_at": 1.0}))
            made = {"task_execution_id": new.id, "name": "pay", "key": "#1", "attempt": 1, "created_at": 1.0}
            connection.execute(insert(checkpoints).values(made))
        row = {"status": status, "finished_at": finished_at}
        connection.execute(update(workflow_executions).where(workflow_executions.c.id == execution).values(row))


def rows(connection: Connection) -> dict[str, Counter[str]]:
    """Return how many rows each execution has, by table."""
    found: dict[str, Counter[str]] = {}
    for table in TABLES:
        owner = next(table.c[name] for name in ("execution_id", "task_execution_id", "id") if name in table.c)
        counts = connection.execute(select(owner, func.count()).group_by(owner))
        found[table.name] = sum((Counter({name.partition("-")[0]: count}) for name, count in counts), Counter())
    return found


def left(path: Path) -> dict[str, Counter[str]]:
    database = Database.open(path)
    try:
        assert database.read(lambda connection: connection.execute(text("PRAGMA foreign_key_check")).all()) == []
        return database.read(rows)
    finally:
        database.close()


@pytest.mark.parametrize("kind", ["Client", "AsyncClient", "Runner", "AsyncRunner", "retention"])
async def test_what_ended_before_is_deleted_with_all_its_rows_and_nothing_else_is(path: Path, kind: str) -> None:
    before = left(path)
    gone = {f"e{number}" for number in range(1, 1 + len(OLD))}
    assert all(gone < set(counts) for counts in before.values()), "there are rows in every table"
    match kind:
        case "AsyncClient" | "AsyncRunner":
            async with AsyncClient(path) if kind == "AsyncClient" else AsyncRunner(path) as client:
                assert await client.prune(3600) == len(OLD)
                assert await client.prune(3600) == 0
        case "Client" | "Runner":
            with Client(path) if kind == "Client" else Runner(path) as blocking:
                assert blocking.prune(3600) == len(OLD)
        case _:
            async with AsyncRunner(path, retention=timedelta(hours=1)):
                with anyio.fail_after(PATIENCE_SECONDS):
                    while len(left(path)["workflow_executions"]) > len(OTHERS):
                        await anyio.lowlevel.checkpoint()
    expected = {
        table: Counter({name: count for name, count in counts.items() if name not in gone})
        for table, counts in before.items()
    }
    assert left(path) == expected


@pytest.mark.parametrize("owner", [None, "at work"], ids=["opened again", "its runner is asked to"])
def test_execution_that_goes_on_meanwhile_is_left(
    path: Path, owner: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: Any = pruning._ended
    with Client(path) as client:

        def ended_and_retried(*args: Any) -> Any:
            found = ended(*args)
            if "e2" in found:
                client._database.open().write(_retry, owner)
            return found

        monkeypatch.setattr(pruning, "_ended", ended_and_retried)
        assert client.prune(3600) == len(OLD) - 1
        assert len(client.tasks("e2")) == 2
        assert client.prune(3600) == 0, "and is not one that has ended"


def _retry(connection: Connection, owner: str | None) -> None:
    retry(connection, "e2", Message("again", 1.0), None, None)
    if owner is not None:
        # What it looks like until a runner that has the execution has taken the request up.
        values = {"status": "Failed", "finished_at": 2.0, "runner_id": owner}
        connection.execute(update(workflow_executions).where(workflow_executions.c.id == "e2").values(values))
        connection.execute(
            text("INSERT INTO signals (id, execution_id, kind, name, sent_at) VALUES ('r', 'e2', 'retry', '', 1.0)")
        )


async def test_cancelled_pruning_ends_after_a_transaction(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    delete: Any = pruning._delete
    with anyio.CancelScope() as scope:

        def delete_and_cancel(*args: Any) -> Any:
            anyio.from_thread.run_sync(scope.cancel)
            return delete(*args)

        monkeypatch.setattr(pruning, "_delete", delete_and_cancel)
        async with AsyncClient(path) as client:
            await client.prune(3600)
    assert scope.cancelled_caught
    assert len(left(path)["workflow_executions"]) == len(OLD) + len(OTHERS) - 1, "the first one alone is deleted"


def test_connection_that_pruned_checks_foreign_keys_again(path: Path) -> None:
    with Client(path) as client:
        client.prune(3600)
        database = client._database.open()
        assert database.read(lambda connection: connection.scalar(text("PRAGMA foreign_keys"))) == 1


@pytest.mark.parametrize("age", [-1, float("nan"), "30d", None])
def test_other_ages_are_refused(path: Path, age: Any) -> None:
    with Client(path) as client, pytest.raises(InvalidOption, match="older_than"):
        client.prune(age)


async def test_runner_in_memory_prunes_what_has_ended_and_keeps_what_has_not() -> None:
    async def wait(_context: Context, handle: TaskHandle) -> None:
        await handle.wait_for("go_on")

    waiting = Workflow("waiting", tasks=[task(id="wait")(wait)])
    async with AsyncRunner("sqlite://") as runner:
        ended = await runner.submit(waiting)
        await ended.cancel()
        await ended.wait()
        other = await runner.submit(waiting)
        assert await runner.prune(0) == 1
        assert [execution.id for execution in await runner.executions()] == [other.id]
        await runner.signal(other.id, "go_on")
        assert (await other.wait()).status == "Completed"


async def test_retention_that_cannot_be_kept_is_told_and_stops_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> int:
        raise StoreWriteFailed("no room")

    monkeypatch.setattr(pruning, "_delete", refuse)
    async with AsyncRunner(path, retention=0.0) as runner:
        with anyio.fail_after(PATIENCE_SECONDS):
            while "cannot be deleted: no room" not in caplog.text:
                await anyio.lowlevel.checkpoint()
        assert (
            await runner.execute(Workflow("nothing", tasks=[task(id="none")(lambda context: None)]))
        ).status == "Completed"
