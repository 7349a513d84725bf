"""The statement of each kind of change, compiled once from the tables to SQL text with positional binds.

Building and executing a statement object for each change costs several times what the database does with it, so the
writer hands these texts straight to the database's driver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, insert, update

from cloacina.store import changes
from cloacina.store.tables import execution_events, task_executions, waits, workflow_executions

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Table

_ROW = "row_id"

# Columns in the order of the parameters that the functions of `changes` produce, which is also the tables' order: the
# compiler keeps that one for inserts.
_INSERTS: dict[int, tuple[Table, tuple[str, ...]]] = {
    changes.NEW_EXECUTION: (
        workflow_executions,
        ("id", "workflow", "workflow_version", "status", "created_at", "context"),
    ),
    changes.NEW_TASK: (task_executions, ("id", "execution_id", "task_id", "position", "status")),
    changes.NEW_WAIT: (
        waits,
        ("id", "execution_id", "task_execution_id", "task_id", "phase", "started_at", "deadline", "poll_interval_ms"),
    ),
    changes.EVENT: (
        execution_events,
        ("execution_id", "task_execution_id", "task_id", "type", "at", "attempt", "slot", "detail"),
    ),
}
_UPDATES: dict[int, tuple[Table, tuple[str, ...]]] = {
    changes.EXECUTION_STATE: (
        workflow_executions,
        ("status", "started_at", "finished_at", "final_context", "error"),
    ),
    changes.TASK_STATE: (
        task_executions,
        ("status", "sub_status", "attempt", "started_at", "finished_at", "changes", "error"),
    ),
    changes.WAIT_STATE: (
        waits,
        ("phase", "polls", "next_poll_at", "errors", "last_error", "outcome", "ended_at"),
    ),
}


def compile_statements(dialect: Dialect) -> tuple[str, ...]:
    """Return the SQL of every kind of change, in the order in which they run in a transaction."""
    compiled: dict[int, str] = {}
    for kind, (table, columns) in _INSERTS.items():
        compiled[kind] = str(insert(table).compile(dialect=dialect, column_keys=columns))
    for kind, (table, columns) in _UPDATES.items():
        values = [(table.c[name], bindparam(name)) for name in columns]
        statement = update(table).where(table.c.id == bindparam(_ROW)).ordered_values(*values)
        compiled[kind] = str(statement.compile(dialect=dialect))
    return tuple(compiled[kind] for kind in sorted(compiled))
