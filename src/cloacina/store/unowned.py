"""Changing executions that belong to no runner: cancelled at once, or opened again after they have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, insert, select, update

from cloacina.canonical_json import decode, encode
from cloacina.store.claims import wake_addresses
from cloacina.store.lookup import find
from cloacina.store.records import EventType, ExecutionStatus, SignalKind, TaskStatus, WaitPhase
from cloacina.store.tables import execution_events, signals, task_executions, waits, workflow_executions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloacina.store.connection import Connection

_UNFINISHED_TASK = tuple(status.value for status in TaskStatus if not status.is_final)
_FAILED_EXECUTION = (ExecutionStatus.FAILED.value, ExecutionStatus.CANCELLED.value)
_FAILED_TASK = (TaskStatus.FAILED.value, TaskStatus.CANCELLED.value, TaskStatus.SKIPPED.value)


def cancel(connection: Connection, execution_id: str, now: float) -> None:
    """End an execution as Cancelled, with the tasks that have not ended and what they wait for.

    Args:
        connection: In a transaction that writes.
        execution_id: The execution.
        now: Seconds since the epoch.
    """
    number = _next_number(connection, execution_id)
    tasks = task_executions
    unfinished = (tasks.c.execution_id == execution_id) & tasks.c.status.in_(_UNFINISHED_TASK)
    query = select(tasks.c.id, tasks.c.task_id, tasks.c.attempt).where(unfinished).order_by(tasks.c.position)
    events = [
        _event(execution_id, number + index, EventType.TASK_CANCELLED, now)
        | {"task_execution_id": task.id, "task_id": task.task_id, "attempt": task.attempt or None}
        for index, task in enumerate(connection.execute(query))
    ]
    events.append(_event(execution_id, number + len(events), EventType.EXECUTION_CANCELLED, now))
    # A clock that was set back makes no negative durations.
    finished_at = case((tasks.c.started_at > now, tasks.c.started_at), else_=now)
    ended: dict[str, Any] = {"status": TaskStatus.CANCELLED.value, "finished_at": finished_at}
    ended |= dict.fromkeys(("sub_status", "due_at"))
    connection.execute(update(tasks).where(unfinished).values(ended))
    open_waits = (waits.c.execution_id == execution_id) & (waits.c.phase != WaitPhase.ENDED.value)
    # One that was met stays so: it may have used a signal up.
    outcome = func.coalesce(waits.c.outcome, "cancelled")
    left = {"phase": WaitPhase.ENDED.value, "outcome": outcome, "ended_at": now, "next_poll_at": None}
    connection.execute(update(waits).where(open_waits).values(left))
    table = workflow_executions
    execution = connection.execute(select(table).where(table.c.id == execution_id)).one()
    row = {
        "status": ExecutionStatus.CANCELLED.value,
        "finished_at": max(now, execution.started_at or execution.created_at),
        "final_context": _final_context(connection, execution_id, execution.context),
    }
    connection.execute(update(table).where(table.c.id == execution_id).values(row))
    _overtake_messages(connection, execution_id, now)
    connection.execute(insert(execution_events), events)


def is_cleaned_up_behind(connection: Connection, execution_id: str) -> bool:
    """Return whether a task has begun and not ended that has something to clean up when it is cancelled."""
    tasks, events = task_executions, execution_events
    unfinished = (tasks.c.execution_id == execution_id) & tasks.c.status.in_(_UNFINISHED_TASK)
    begun = (events.c.execution_id == execution_id) & (events.c.type == EventType.TASK_STARTED.value)
    begun &= events.c.detail.is_not(None) & events.c.task_execution_id.in_(select(tasks.c.id).where(unfinished))
    return connection.execute(select(events.c.number).where(begun)).first() is not None


def reopen(connection: Connection, execution_id: str, context: str | None, now: float) -> None:
    """Let an execution that has ended go on: it belongs to nobody, and what had not completed is as if it were new.

    Signals, answers and checkpoints of its tasks are kept. Their conditions and times start anew.

    Args:
        connection: In a transaction that writes; of the execution's owner, if it has one.
        execution_id: The execution.
        context: Another initial context, JSON; None to keep what it has.
        now: Seconds since the epoch.
    """
    tasks = task_executions
    again = (tasks.c.execution_id == execution_id) & tasks.c.status.in_(_FAILED_TASK)
    # Attempts count from 1 once more: the waits of the earlier ones must not be taken for those of the new ones.
    earlier = waits.c.task_execution_id.in_(select(tasks.c.id).where(again))
    connection.execute(update(waits).where(earlier).values(attempt=0))
    anew: dict[str, Any] = {"status": TaskStatus.PENDING.value, "attempt": 0, "recoveries": 0}
    anew |= dict.fromkeys(("started_at", "finished_at", "changes", "error", "due_at"))
    connection.execute(update(tasks).where(again).values(anew))
    row: dict[str, Any] = {"status": ExecutionStatus.PENDING.value}
    row |= dict.fromkeys(("started_at", "finished_at", "final_context", "error", "runner_id"))
    if context is not None:
        row["context"] = context
    connection.execute(update(workflow_executions).where(workflow_executions.c.id == execution_id).values(row))
    _overtake_messages(connection, execution_id, now)
    event = _event(execution_id, _next_number(connection, execution_id), EventType.EXECUTION_RETRIED, now)
    connection.execute(insert(execution_events), [event])


def reopen_asked(connection: Connection, owners: Sequence[str], now: float) -> Sequence[str]:
    """Let executions go on that others have asked their owners to retry; return who is to be woken for them.

    Args:
        connection: In a transaction that writes; of the owner, or of one who has found it dead.
        owners: The runners that were asked.
        now: Seconds since the epoch.
    """
    table = workflow_executions
    query = (
        select(signals.c.id, signals.c.payload, table.c.id.label("execution_id"), table.c.status)
        .join(table, table.c.id == signals.c.execution_id)
        .where(signals.c.kind == SignalKind.RETRY.value, signals.c.consumed_at.is_(None), table.c.runner_id.in_(owners))
    )
    asked = connection.execute(query.order_by(signals.c.seq)).all()
    for row in asked:
        if row.status in _FAILED_EXECUTION:
            reopen(connection, row.execution_id, row.payload, now)
        else:
            refused = {"consumed_at": now, "refusal": f"the execution is {row.status}"}
            connection.execute(update(signals).where(signals.c.id == row.id).values(refused))
    return wake_addresses(connection) if asked else ()


def slot_freed(
    connection: Connection,
    runner_id: str,
    execution_id: str,
    task_execution_id: str,
    task_id: str,
    attempt: int,
    slot: int,
    now: float,
) -> None:
    """Tell that a thread has ended that outlived its execution; nothing if that was opened again since.

    Args:
        connection: In a transaction that writes.
        runner_id: The runner that ran it.
        execution_id: The execution.
        task_execution_id: The task's in it.
        task_id: The task.
        attempt: The attempt that the thread belonged to.
        slot: The slot that it has kept.
        now: Seconds since the epoch.
    """
    found = find(connection, execution_id)
    if found is None or found.runner_id != runner_id or not found.status.is_final:
        return
    event = _event(execution_id, _next_number(connection, execution_id), EventType.SLOT_FREED, now)
    of_task = {"task_execution_id": task_execution_id, "task_id": task_id, "attempt": attempt, "slot": slot}
    connection.execute(insert(execution_events), [event | of_task])


def _overtake_messages(connection: Connection, execution_id: str, now: float) -> None:
    """Let messages to an owner that is none any more have no effect later."""
    asked = signals.c.kind.in_((SignalKind.CANCEL.value, SignalKind.RETRY.value))
    theirs = (signals.c.execution_id == execution_id) & signals.c.consumed_at.is_(None) & asked
    connection.execute(update(signals).where(theirs).values(consumed_at=now))


def _final_context(connection: Connection, execution_id: str, initial: str) -> str:
    """Return the context of an execution that goes no further: without its graph, the last of two writers stands."""
    tasks = task_executions
    completed = (tasks.c.execution_id == execution_id) & (tasks.c.status == TaskStatus.COMPLETED.value)
    query = select(tasks.c.changes).where(completed, tasks.c.changes.is_not(None)).order_by(tasks.c.position)
    return _merged(initial, connection.scalars(query))


def _merged(initial: str, changes: Iterable[str]) -> str:
    context: dict[str, Any] = decode(initial)
    for changed in changes:
        found: Mapping[str, Any] = decode(changed)
        context |= found.get("set", {})
        for key in found.get("delete", ()):
            context.pop(key, None)
    return encode(context)


def _next_number(connection: Connection, execution_id: str) -> int:
    table = execution_events
    last = connection.scalar(select(func.max(table.c.number)).where(table.c.execution_id == execution_id))
    return (last or 0) + 1


def _event(execution_id: str, number: int, kind: EventType, at: float) -> dict[str, Any]:
    return {
        "execution_id": execution_id,
        "number": number,
        "task_execution_id": None,
        "task_id": None,
        "type": kind.value,
        "at": at,
        "attempt": None,
    }
