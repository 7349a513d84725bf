"""Taking executions for a runner: new ones that nobody runs yet, and those of runners that are dead.

Claiming, loading and recovering are one thing. What is claimed is counted as recovered, loaded and committed in one
transaction, before any of its bodies runs: so a body that takes its process down each time is found out.

Mostly there is nothing to take. What there is, `loading` takes, which needs SQLAlchemy.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from cloacina.store import rendered
from cloacina.store.ownership import is_locked, lock_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cloacina.store.connection import Connection
    from cloacina.store.lookup import StoredSignal
    from cloacina.store.ownership import Place

LOST_AFTER_SECONDS = 15.0
"""How long after it was last seen a runner counts as dead whose lock somebody has removed."""


class StoredWait(NamedTuple):
    """A wait of an earlier run of a task's body."""

    id: str
    task_execution_id: str
    kind: str
    name: str
    ordinal: int
    attempt: int
    phase: str
    started_at: float
    deadline: float | None
    due_at: float | None
    outcome: str | None
    value: str | None
    question: str | None
    signal_id: str | None


class StoredCheckpoint(NamedTuple):
    """A checkpoint of an earlier run of a task's body."""

    task_execution_id: str
    name: str
    key: str
    value: str | None
    source_version: str | None


class StoredTask(NamedTuple):
    """A task execution as it was left."""

    id: str
    execution_id: str
    task_id: str
    status: str
    sub_status: str | None
    attempt: int
    started_at: float | None
    finished_at: float | None
    changes: str | None
    error: str | None
    due_at: float | None
    recoveries: int
    source_version: str | None
    heartbeat_at: float | None
    heartbeat: str | None


class StoredExecution(NamedTuple):
    """An execution as it was left, with all that going on with it needs.

    Attributes:
        tasks: In topological order, as it was when the execution was submitted.
        waits: By task execution.
        checkpoints: By task execution.
        signals: In the order of sending.
        events: How many events it has.
    """

    id: str
    workflow: str
    workflow_version: str
    status: str
    context: str
    created_at: float
    started_at: float | None
    error: str | None
    tasks: list[StoredTask]
    waits: dict[str, list[StoredWait]]
    checkpoints: dict[str, list[StoredCheckpoint]]
    signals: list[StoredSignal]
    events: int


def register_runner(
    connection: Connection,
    runner_id: str,
    place: Place,
    now: float,
    wake_address: str | None,
    max_concurrent_tasks: int,
    version: str,
) -> None:
    """Add a runner, live."""
    row = {
        "id": runner_id,
        "status": "live",
        "host": place.host,
        "boot_id": place.boot_id,
        "pid_namespace": place.pid_namespace,
        "pid": place.pid,
        "started_at": now,
        "seen_at": now,
        "wake_address": wake_address,
        "max_concurrent_tasks": max_concurrent_tasks,
        "workflows": "[]",
        "version": version,
    }
    connection.run(rendered.NEW_RUNNER, row)


def tell_runner(
    connection: Connection, runner_id: str, now: float, *, status: str = "live", workflows: Iterable[str] | None = None
) -> None:
    """Store that a runner is at work, what it is about to do, and which workflows it knows."""
    connection.run(rendered.TELL_RUNNER, {"runner_id": runner_id, "status": status, "seen_at": now})
    if workflows is not None:
        names = json.dumps(sorted(workflows))
        connection.run(rendered.TELL_WORKFLOWS, {"runner_id": runner_id, "names": names})


def release_dead(connection: Connection, database: Path | None, runner_id: str, now: float) -> list[str]:
    """Let go of what belongs to runners that are dead; return their ids.

    Args:
        connection: In a transaction that writes.
        database: The file that the runners share; None for one in memory, whose runners live and die together.
        runner_id: The runner that asks.
        now: Seconds since the epoch.
    """
    if database is None:
        return []
    others = connection.run(rendered.OTHER_RUNNERS, {"id": runner_id}).fetchall()
    dead = [other for other, seen_at in others if is_dead(database, other, seen_at, now)]
    if dead:
        from cloacina.store import loading  # noqa: PLC0415 - who finds nobody dead does without SQLAlchemy

        loading.release(connection, dead)
    return dead


def reopen_asked(connection: Connection, owners: Sequence[str], now: float) -> Sequence[str]:
    """Let executions go on that others have asked their owners to retry; see `unowned.reopen_asked`."""
    if connection.run(rendered.RETRIES).fetchone() is None:
        return ()
    from cloacina.store import unowned  # noqa: PLC0415 - who is not asked does without SQLAlchemy

    return unowned.reopen_asked(connection, owners, now)


def leave(connection: Connection, runner_id: str, kept: Sequence[str]) -> Sequence[str]:
    """Let go of what a runner has that is left; return the addresses of those who may take it.

    What waits goes on waiting, as it is stored. A body that was ended is begun again, in the same attempt.

    Args:
        connection: In a transaction that writes; of the runner.
        runner_id: The runner.
        kept: The executions that it keeps until its process ends: a body of them goes on in its thread.
    """
    whose = {"runner_id": runner_id, "kept": json.dumps(list(kept))}
    connection.run(rendered.LEAVE_TASKS, whose)
    freed = connection.run(rendered.LEAVE, whose).rowcount
    return wake_addresses(connection) if freed else ()


def wake_addresses(connection: Connection) -> Sequence[str]:
    """Return the addresses of all runners that take up executions."""
    return [address for (address,) in connection.run(rendered.ADDRESSES)]


def is_dead(database: Path, runner_id: str, seen_at: float, now: float) -> bool:
    """Return whether a runner of a file that was open is so no longer: it was not left, and its process has ended."""
    locked = is_locked(lock_path(database, runner_id))
    return locked is False or (locked is None and now - seen_at > LOST_AFTER_SECONDS)


def claim(
    connection: Connection, runner_id: str, workflows: Sequence[str], limit: int, now: float, only: str | None = None
) -> list[StoredExecution]:
    """Take executions that belong to nobody, oldest first, and return them as they were left.

    Args:
        connection: In a transaction that writes.
        runner_id: The runner that takes them.
        workflows: The names of those that it can run.
        limit: How many at most.
        now: Seconds since the epoch.
        only: The id of the only one that is wanted.
    """
    parameters = {"workflows": json.dumps(list(workflows)), "limit": limit, "only": only}
    ids = [found for (found,) in connection.run(rendered.FREE if only is None else rendered.FREE_ONE, parameters)]
    if not ids:
        return []
    from cloacina.store import loading  # noqa: PLC0415 - who finds nothing does without SQLAlchemy

    loading.take(connection, runner_id, ids, now)
    return loading.load(connection, ids)
