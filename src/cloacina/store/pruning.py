"""Deleting executions that ended long ago, with all that belongs to them, while runners are at work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, select

from cloacina.store.database import RETRY_SECONDS
from cloacina.store.records import ExecutionStatus, SignalKind
from cloacina.store.tables import (
    checkpoints,
    execution_events,
    signals,
    task_executions,
    waits,
    workflow_executions,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement

    from cloacina.store.connection import Connection
    from cloacina.store.database import Database

_FINAL = tuple(status.value for status in ExecutionStatus if status.is_final)
# Deleted in one transaction. Executions differ in size, so their number follows the time it takes, in seconds: runners
# wait for it with all they have to store.
_MOST_AT_ONCE = 512
_TRANSACTION_SECONDS = 0.05
_LONGEST_PAUSE = 1.0


class Pruning:
    """Deletes executions that have ended, oldest first, in steps.

    Args:
        database: Where.
        before: Those that ended before this moment, in seconds since the epoch.

    Attributes:
        deleted: How many are deleted by now.
        pause: How many seconds are left to others before the next step.
    """

    def __init__(self, database: Database, before: float) -> None:
        self.deleted = 0
        self.pause = 0.0
        self._database = database
        self._before = before
        self._after = ""
        self._size = 1

    def step(self) -> bool:
        """Delete some, in one small transaction; return False when there are no more.

        Raises:
            StoreUnavailable: The database cannot be read.
            StoreWriteFailed: It cannot be written. What was deleted until then stays deleted.
        """
        ids = self._database.read(self.find)
        if ids:
            with self._database.connect() as connection:
                self.delete(connection, ids)
        return bool(ids)

    def find(self, connection: Connection) -> Sequence[str]:
        """Return the ids of those that are deleted next; none when there are no more."""
        return _ended(connection, self._before, self._after, self._size)

    def delete(self, connection: Connection, ids: Sequence[str]) -> None:
        """Delete what was found, as far as it still is old, in one transaction.

        Args:
            connection: One that no transaction is open on.
            ids: What `find` has returned.

        Raises:
            StoreWriteFailed: The database cannot be written.
        """
        with self._database.without_foreign_keys(connection):
            begin = time.monotonic()
            self.deleted += self._database.transact(connection, RETRY_SECONDS, _delete, ids, self._before)
            took = time.monotonic() - begin
        self._after = ids[-1]
        is_short = took < _TRANSACTION_SECONDS / 2
        self._size = min(2 * self._size, _MOST_AT_ONCE) if is_short else max(1, self._size // 2)
        # Whoever waits for a lock of SQLite looks for it now and then: half of the time it is free.
        self.pause = min(took, _LONGEST_PAUSE)


def _is_old(before: float) -> ColumnElement[bool]:
    """Return the condition for an execution that nobody needs: one that somebody wants to go on is needed."""
    table = workflow_executions
    retry = exists().where(
        signals.c.execution_id == table.c.id,
        signals.c.kind == SignalKind.RETRY.value,
        signals.c.consumed_at.is_(None),
    )
    return table.c.status.in_(_FINAL) & (table.c.finished_at < before) & ~retry


def _ended(connection: Connection, before: float, after: str, limit: int) -> Sequence[str]:
    """Return the ids of executions behind the one of this id. Read beforehand: it may have to pass many others."""
    table = workflow_executions
    query = select(table.c.id).where(table.c.id > after, _is_old(before)).order_by(table.c.id).limit(limit)
    return connection.scalars(query).all()


def _delete(connection: Connection, ids: Sequence[str], before: float) -> int:
    """Delete those of some executions that still are old: one may have been opened again."""
    table = workflow_executions
    found = connection.scalars(select(table.c.id).where(table.c.id.in_(ids), _is_old(before))).all()
    tasks = select(task_executions.c.id).where(task_executions.c.execution_id.in_(found))
    connection.execute(delete(checkpoints).where(checkpoints.c.task_execution_id.in_(tasks)))
    for each in (signals, waits, execution_events, task_executions):
        connection.execute(delete(each).where(each.c.execution_id.in_(found)))
    connection.execute(delete(table).where(table.c.id.in_(found)))
    return len(found)
