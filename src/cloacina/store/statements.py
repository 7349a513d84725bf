"""The statement of each kind of change, compiled once from the tables to SQL text with positional binds.

Building and executing a statement object for each change costs several times what the database does with it, so the
writer hands these texts straight to the database's driver. Each is compiled when it is first needed: all of them would
take longer than everything else that opening a runner does with its database.

A statement takes many rows. The driver gives up the interpreter's lock for each execution, and a busy event loop takes
it: the writer then waits for it up to 5 ms, so one execution a row made 400 rows take half a second instead of 1 ms.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, column, insert, update, values
from sqlalchemy.dialects.sqlite import insert as insert_or_update

from cloacina.store import changes
from cloacina.store.tables import checkpoints, execution_events, signals, task_executions, waits, workflow_executions

if TYPE_CHECKING:
    from collections.abc import Callable

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
    changes.WAIT_ENDED: (waits, ("phase", "outcome", "next_poll_at", "ended_at")),
    changes.SIGNAL_STATE: (signals, ("consumed_at", "wait_id", "refusal")),
}


class Statement:
    """The SQL of one kind of change, for any number of rows.

    Args:
        width: How many parameters a row has.
        one_row: Compiles the SQL for a single row.
        rows: Compiles the SQL for rows, with the place-holders of one row; None when that is the same.

    Attributes:
        width: How many parameters a row has.
    """

    def __init__(self, width: int, one_row: Callable[[], str], rows: Callable[[], str] | None = None) -> None:
        self.width = width
        self._compile_one_row = one_row
        self._compile_rows = rows
        self._row = "(" + ", ".join("?" * width) + ")"
        self._texts: dict[int, str] = {}

    @cached_property
    def one_row(self) -> str:
        """The SQL that takes the parameters of a single row."""
        return self._compile_one_row()

    @cached_property
    def _rows(self) -> str:
        return self.one_row if self._compile_rows is None else self._compile_rows()

    def for_rows(self, count: int) -> str:
        """Return the SQL that takes the parameters of `count` rows, one row after the other."""
        if count == 1:
            return self.one_row
        text = self._texts.get(count)
        if text is None:
            text = self._texts[count] = self._rows.replace(self._row, ", ".join([self._row] * count))
        return text


def compile_statements(dialect: Dialect) -> tuple[Statement, ...]:
    """Return the statement of every kind of change, in the order in which they run in a transaction."""
    found: dict[int, Statement] = {}

    def compiled(make: Callable[..., UpdateBase], *args: Any) -> Callable[[], str]:
        return lambda: str(make(*args).compile(dialect=dialect))

    for kind, (table, columns) in _INSERTS.items():
        found[kind] = Statement(len(columns), compiled(_insert, table, columns))
    for kind, (table, columns) in _UPDATES.items():
        # A single row has a statement of its own: joining it to a table of one row takes twice the time.
        one_row, rows = compiled(_update_one, table, columns), compiled(_update_from_rows, table, columns)
        found[kind] = Statement(len(columns) + 1, one_row, rows)
    found[changes.CHECKPOINT] = Statement(len(_CHECKPOINT), compiled(_upsert_checkpoint))
    return tuple(found[kind] for kind in sorted(found))


def _insert(table: Table, columns: tuple[str, ...]) -> UpdateBase:
    return insert(table).values({name: bindparam(name) for name in columns})


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
