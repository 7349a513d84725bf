"""The statement of each kind of change, compiled once from the tables to SQL text with positional binds.

Building and executing a statement object for each change costs several times what the database does with it, so the
writer hands these texts straight to the database's driver.

A statement takes many rows. The driver gives up the interpreter's lock for each execution, and a busy event loop takes
it: the writer then waits for it up to 5 ms, so one execution a row made 400 rows take half a second instead of 1 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, column, insert, update, values
from sqlalchemy.dialects.sqlite import insert as insert_or_update

from cloacina.store import changes
from cloacina.store.tables import checkpoints, execution_events, signals, task_executions, waits, workflow_executions

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Table
    from sqlalchemy.sql.dml import UpdateBase

# Columns in the order of the parameters that the functions of `changes` produce, which is also the tables' order: the
# compiler keeps that one for inserts.
_INSERTS: dict[int, tuple[Table, tuple[str, ...]]] = {
    changes.NEW_EXECUTION: (
        workflow_executions,
        ("id", "workflow", "workflow_version", "status", "created_at", "context", "runner_id", "idempotency_key"),
    ),
    changes.NEW_TASK: (task_executions, ("id", "execution_id", "task_id", "position", "status")),
    changes.NEW_WAIT: (
        waits,
        (
            "id",
            "execution_id",
            "task_execution_id",
            "task_id",
            "kind",
            "name",
            "ordinal",
            "attempt",
            "phase",
            "started_at",
            "deadline",
            "due_at",
            "question",
            "poll_interval_ms",
        ),
    ),
    changes.NEW_SIGNAL: (signals, ("id", "execution_id", "kind", "name", "payload", "key", "sender", "sent_at")),
    changes.EVENT: (
        execution_events,
        ("execution_id", "number", "task_execution_id", "task_id", "type", "at", "attempt", "slot", "detail"),
    ),
}
# Its key, and what it is given when it has happened.
_CHECKPOINT = ("task_execution_id", "name", "key", "value", "attempt", "source_version", "created_at")
_UPDATES: dict[int, tuple[Table, tuple[str, ...]]] = {
    changes.EXECUTION_STATE: (
        workflow_executions,
        ("status", "started_at", "finished_at", "final_context", "error"),
    ),
    changes.EXECUTION_OWNER: (workflow_executions, ("runner_id",)),
    changes.TASK_STATE: (
        task_executions,
        (
            "status",
            "sub_status",
            "attempt",
            "started_at",
            "finished_at",
            "changes",
            "error",
            "due_at",
            "recoveries",
            "source_version",
        ),
    ),
    changes.HEARTBEAT: (task_executions, ("heartbeat_at", "heartbeat")),
    changes.WAIT_STATE: (
        waits,
        ("phase", "polls", "next_poll_at", "errors", "last_error", "outcome", "value", "signal_id", "ended_at"),
    ),
    changes.SIGNAL_STATE: (signals, ("consumed_at", "wait_id", "refusal")),
}


class Statement:
    """The SQL of one kind of change, for any number of rows.

    Args:
        one_row: The SQL for a single row.
        rows: The SQL for rows, with the place-holders of one row.
        width: How many parameters a row has.

    Attributes:
        one_row: The SQL that takes the parameters of a single row.
        width: How many these are.
    """

    def __init__(self, one_row: str, rows: str, width: int) -> None:
        self.one_row = one_row
        self.width = width
        self._row = "(" + ", ".join("?" * width) + ")"
        self._rows = rows
        self._texts = {1: one_row}

    def for_rows(self, count: int) -> str:
        """Return the SQL that takes the parameters of `count` rows, one row after the other."""
        text = self._texts.get(count)
        if text is None:
            text = self._texts[count] = self._rows.replace(self._row, ", ".join([self._row] * count))
        return text


def compile_statements(dialect: Dialect) -> tuple[Statement, ...]:
    """Return the statement of every kind of change, in the order in which they run in a transaction."""
    compiled: dict[int, Statement] = {}
    for kind, (table, columns) in _INSERTS.items():
        text = _compile(insert(table).values({name: bindparam(name) for name in columns}), dialect)
        compiled[kind] = Statement(text, text, len(columns))
    for kind, (table, columns) in _UPDATES.items():
        # A single row has a statement of its own: joining it to a table of one row takes twice the time.
        one = _compile(_update_one(table, columns), dialect)
        compiled[kind] = Statement(one, _compile(_update_from_rows(table, columns), dialect), len(columns) + 1)
    upsert = _compile(_upsert_checkpoint(), dialect)
    compiled[changes.CHECKPOINT] = Statement(upsert, upsert, len(_CHECKPOINT))
    return tuple(compiled[kind] for kind in sorted(compiled))


def _upsert_checkpoint() -> UpdateBase:
    rows = insert_or_update(checkpoints).values({name: bindparam(name) for name in _CHECKPOINT})
    changing = {name: rows.excluded[name] for name in _CHECKPOINT[3:]}
    return rows.on_conflict_do_update(index_elements=_CHECKPOINT[:3], set_=changing)


def _update_one(table: Table, columns: tuple[str, ...]) -> UpdateBase:
    new = ((table.c[name], bindparam(f"new_{name}", type_=table.c[name].type)) for name in columns)
    return update(table).where(table.c.id == bindparam("new_id")).ordered_values(*new)


def _update_from_rows(table: Table, columns: tuple[str, ...]) -> UpdateBase:
    names = (*columns, "id")
    row = tuple(bindparam(f"new_{name}", type_=table.c[name].type) for name in names)
    state = values(*(column(name, table.c[name].type) for name in names), name="state").data([row]).cte("state")
    return (
        update(table)
        .where(table.c.id == state.c.id)
        .ordered_values(*((table.c[name], state.c[name]) for name in columns))
    )


def _compile(statement: UpdateBase, dialect: Dialect) -> str:
    return str(statement.compile(dialect=dialect))
