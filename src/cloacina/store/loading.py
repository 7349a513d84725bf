"""Loading what a runner has taken from those that are dead, or from nobody, with all that going on with it needs."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, func, select, update

from cloacina.store.claims import StoredCheckpoint, StoredExecution, StoredTask, StoredWait
from cloacina.store.lookup import StoredSignal
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
    from collections.abc import Sequence

    from sqlalchemy import Table

    from cloacina.store.connection import Connection

_UNFINISHED = (ExecutionStatus.PENDING.value, ExecutionStatus.RUNNING.value)


def release(connection: Connection, dead: Sequence[str]) -> None:
    """Let go of what belongs to runners, by their ids, which are dead: count whom they may have died of.

    Args:
        connection: In a transaction that writes.
        dead: The ids of the runners.
    """
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


def take(connection: Connection, runner_id: str, ids: Sequence[str], now: float) -> None:
    """Give executions to a runner."""
    table = workflow_executions
    connection.execute(update(table).where(table.c.id.in_(ids)).values(runner_id=runner_id))
    # These are over: their tasks stood in the queue for a slot, which is gone.
    is_left_open = (waits.c.phase != WaitPhase.ENDED.value) & waits.c.outcome.is_not(None)
    over = is_left_open & waits.c.execution_id.in_(ids)
    connection.execute(update(waits).where(over).values(phase=WaitPhase.ENDED.value, ended_at=now))


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


_AT_ONCE = 500


def _columns(kind: Any, table: Table) -> list[Any]:
    return [table.c[name] for name in kind._fields]


def _rows(connection: Connection, kind: Any, table: Table, ids: Sequence[str], order: Any, *conditions: Any) -> Any:
    query = select(*_columns(kind, table)).where(and_(table.c.execution_id.in_(ids), *conditions)).order_by(order)
    return (kind(*row) for row in connection.execute(query))
