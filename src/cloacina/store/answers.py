"""Dropping what a task was answered, so that it begins anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update

from cloacina.store.records import EventType, SignalKind, WaitPhase
from cloacina.store.tables import checkpoints, execution_events, signals, task_executions, waits

if TYPE_CHECKING:
    from cloacina.store.claims import StoredTask
    from cloacina.store.connection import Connection


def drop_answers(connection: Connection, task: StoredTask, event: int, detail: str, now: float) -> None:
    """Drop the answers of a task whose code has changed, and store the event that tells of it.

    Its waits stay as history; its checkpoints and what its heartbeats told are gone. Signals that it had used up are
    for whoever waits for them again: they tell of the world, and would not be sent once more.

    Args:
        connection: In a transaction that writes.
        task: The task.
        event: The number of the event.
        detail: What it tells, JSON.
        now: Seconds since the epoch.
    """
    theirs = waits.c.task_execution_id == task.id
    ended = {"phase": WaitPhase.ENDED.value, "outcome": "dropped", "next_poll_at": None}
    connection.execute(update(waits).where(theirs).values(ended | {"ended_at": func.coalesce(waits.c.ended_at, now)}))
    connection.execute(delete(checkpoints).where(checkpoints.c.task_execution_id == task.id))
    told = {"heartbeat_at": None, "heartbeat": None}
    connection.execute(update(task_executions).where(task_executions.c.id == task.id).values(told))
    used_up = (signals.c.execution_id == task.execution_id) & (signals.c.kind == SignalKind.SIGNAL.value)
    used_up &= signals.c.wait_id.in_(select(waits.c.id).where(theirs))
    connection.execute(update(signals).where(used_up).values(consumed_at=None, wait_id=None))
    row = {
        "execution_id": task.execution_id,
        "number": event,
        "task_execution_id": task.id,
        "task_id": task.task_id,
        "type": EventType.TASK_CODE_CHANGED.value,
        "at": now,
        "attempt": task.attempt or None,
        "detail": detail,
    }
    connection.execute(insert(execution_events).values(row))
