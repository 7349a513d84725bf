"""Taking executions for a runner: new ones that nobody runs yet, and those of runners that are dead.

Claiming, loading and recovering are one thing. What is claimed is counted as recovered, loaded and committed in one
transaction, before any of its bodies runs: so a body that takes its process down each time is found out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, case, func, insert, select, update

from cloacina.store.ownership import is_locked, lock_path
from cloacina.store.records import ExecutionStatus, SubStatus, TaskStatus, WaitPhase
from cloacina.store.tables import (
    checkpoints,
    execution_events,
    runners,
    signals,
    task_executions,
    waits,
    workflow_executions,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Table

    from cloacina.store.ownership import Place

LOST_AFTER_SECONDS = 15.0
"""How long after it was last seen a runner counts as dead whose lock somebody has removed."""

_UNFINISHED = (ExecutionStatus.PENDING.value, ExecutionStatus.RUNNING.value)


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


class StoredSignal(NamedTuple):
    """A signal that has not taken effect yet."""

    seq: int
    id: str
    execution_id: str
    kind: str
    name: str
    payload: str | None
    sender: str | None


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
    connection.execute(insert(runners).values(row))


def tell_runner(
    connection: Connection, runner_id: str, now: float, *, status: str = "live", workflows: Iterable[str] | None = None
) -> None:
    """Store that a runner is at work, what it is about to do, and which workflows it knows."""
    row: dict[str, Any] = {"status": status, "seen_at": now}
    if workflows is not None:
        row["workflows"] = json.dumps(sorted(workflows))
    connection.execute(update(runners).where(runners.c.id == runner_id).values(row))


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
    others = connection.execute(
        select(runners.c.id, runners.c.seen_at).where(
            runners.c.status.in_(("live", "stopping")), runners.c.id != runner_id
        )
    ).all()
    dead = [other for other, seen_at in others if is_dead(database, other, seen_at, now)]
    if dead:
        connection.execute(update(runners).where(runners.c.id.in_(dead)).values(status="dead"))
        free = workflow_executions.c.runner_id.in_(dead) & workflow_executions.c.status.in_(_UNFINISHED)
        begun = (task_executions.c.status == TaskStatus.RUNNING.value) & task_executions.c.execution_id.in_(
            select(workflow_executions.c.id).where(free)
        )
        # Only bodies that held a slot can have taken the process down.
        is_suspect = task_executions.c.sub_status == SubStatus.ACTIVE.value
        recoveries = case((is_suspect, task_executions.c.recoveries + 1), else_=task_executions.c.recoveries)
        connection.execute(update(task_executions).where(begun).values(recoveries=recoveries, sub_status=None))
        connection.execute(update(workflow_executions).where(free).values(runner_id=None))
    return dead


def leave(connection: Connection, runner_id: str, kept: Sequence[str]) -> Sequence[str]:
    """Let go of what a runner has that is left; return the addresses of those who may take it.

    What waits goes on waiting, as it is stored. A body that was ended is begun again, in the same attempt.

    Args:
        connection: In a transaction that writes; of the runner.
        runner_id: The runner.
        kept: The executions that it keeps until its process ends: a body of them goes on in its thread.
    """
    table = workflow_executions
    free = (table.c.runner_id == runner_id) & table.c.status.in_(_UNFINISHED) & table.c.id.not_in(kept)
    begun = (task_executions.c.status == TaskStatus.RUNNING.value) & task_executions.c.execution_id.in_(
        select(table.c.id).where(free)
    )
    was_at_work = begun & (task_executions.c.sub_status == SubStatus.ACTIVE.value)
    connection.execute(update(task_executions).where(was_at_work).values(sub_status=None))
    freed = connection.execute(update(table).where(free).values(runner_id=None)).rowcount
    return wake_addresses(connection) if freed else ()


def wake_addresses(connection: Connection) -> Sequence[str]:
    """Return the addresses of all runners that take up executions."""
    query = select(runners.c.wake_address).where(runners.c.status == "live", runners.c.wake_address.is_not(None))
    return connection.execute(query).scalars().all()


def is_dead(database: Path, runner_id: str, seen_at: float, now: float) -> bool:
    """Return whether a runner of a file that was open is so no longer: it was not left, and its process has ended."""
    locked = is_locked(lock_path(database, runner_id))
    return locked is False or (locked is None and now - seen_at > LOST_AFTER_SECONDS)


def claim(
    connection: Connection, runner_id: str, workflows: Sequence[str], limit: int, now: float
) -> list[StoredExecution]:
    """Take executions that belong to nobody, oldest first, and return them as they were left.

    Args:
        connection: In a transaction that writes.
        runner_id: The runner that takes them.
        workflows: The names of those that it can run.
        limit: How many at most.
        now: Seconds since the epoch.
    """
    table = workflow_executions
    free = (
        select(table.c.id)
        .where(table.c.runner_id.is_(None), table.c.status.in_(_UNFINISHED), table.c.workflow.in_(workflows))
        .order_by(table.c.id)
        .limit(limit)
    )
    ids = list(connection.scalars(free))
    if not ids:
        return []
    connection.execute(update(table).where(table.c.id.in_(ids)).values(runner_id=runner_id))
    # These are over: their tasks stood in the queue for a slot, which is gone.
    over = (waits.c.phase == WaitPhase.RESUMING.value) & waits.c.execution_id.in_(ids)
    connection.execute(update(waits).where(over).values(phase=WaitPhase.ENDED.value, ended_at=now))
    return load(connection, ids)


def load(connection: Connection, ids: Sequence[str]) -> list[StoredExecution]:
    """Return executions as they were left, oldest first."""
    tasks: defaultdict[str, list[StoredTask]] = defaultdict(list)
    for task in _rows(connection, StoredTask, task_executions, ids, task_executions.c.position):
        tasks[task.execution_id].append(task)
    execution_of = {task.id: task.execution_id for each in tasks.values() for task in each}
    current = {task.id: task.attempt for each in tasks.values() for task in each if task.status != "Completed"}
    by_execution: dict[str, dict[str, list[StoredWait]]] = defaultdict(lambda: defaultdict(list))
    # Ended ones of earlier attempts count only when a signal met them: conditions and times start anew with an attempt.
    relevant = (waits.c.phase != WaitPhase.ENDED.value) | (waits.c.outcome.in_(("met", "timeout")))
    for wait in _rows(connection, StoredWait, waits, ids, waits.c.id, relevant):
        if wait.task_execution_id in current:
            by_execution[execution_of[wait.task_execution_id]][wait.task_execution_id].append(wait)
    made: dict[str, dict[str, list[StoredCheckpoint]]] = defaultdict(lambda: defaultdict(list))
    unfinished = list(current)
    for start in range(0, len(unfinished), _AT_ONCE):
        part = unfinished[start : start + _AT_ONCE]
        query = select(*_columns(StoredCheckpoint, checkpoints)).where(checkpoints.c.task_execution_id.in_(part))
        for row in connection.execute(query):
            made[execution_of[row[0]]][row[0]].append(StoredCheckpoint(*row))
    sent: defaultdict[str, list[StoredSignal]] = defaultdict(list)
    for signal in _rows(connection, StoredSignal, signals, ids, signals.c.seq, signals.c.consumed_at.is_(None)):
        sent[signal.execution_id].append(signal)
    numbers = select(execution_events.c.execution_id, func.max(execution_events.c.number)).where(
        execution_events.c.execution_id.in_(ids)
    )
    rows = connection.execute(numbers.group_by(execution_events.c.execution_id))
    events: dict[str, int] = {row[0]: row[1] for row in rows}
    table = workflow_executions
    query = select(
        table.c.id,
        table.c.workflow,
        table.c.workflow_version,
        table.c.status,
        table.c.context,
        table.c.created_at,
        table.c.started_at,
        table.c.error,
    )
    found = connection.execute(query.where(table.c.id.in_(ids)).order_by(table.c.id))
    return [
        StoredExecution(
            row.id,
            row.workflow,
            row.workflow_version,
            row.status,
            row.context,
            row.created_at,
            row.started_at,
            row.error,
            tasks[row.id],
            by_execution.get(row.id, {}),
            made.get(row.id, {}),
            sent[row.id],
            events.get(row.id, 0),
        )
        for row in found
    ]


def newest_signal(connection: Connection) -> int:
    """Return the number of the newest signal; 0 when there is none."""
    return connection.scalar(select(func.max(signals.c.seq))) or 0


def signals_since(connection: Connection, number: int) -> list[StoredSignal]:
    """Return the signals behind a number that have not taken effect, in the order of their sending."""
    query = select(*_columns(StoredSignal, signals)).where(signals.c.seq > number, signals.c.consumed_at.is_(None))
    return [StoredSignal(*row) for row in connection.execute(query.order_by(signals.c.seq))]


_AT_ONCE = 500


def _columns(kind: Any, table: Table) -> list[Any]:
    return [table.c[name] for name in kind._fields]


def _rows(connection: Connection, kind: Any, table: Table, ids: Sequence[str], order: Any, *conditions: Any) -> Any:
    query = select(*_columns(kind, table)).where(and_(table.c.execution_id.in_(ids), *conditions)).order_by(order)
    return (kind(*row) for row in connection.execute(query))
