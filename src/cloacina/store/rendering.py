"""Renders the statements that every process needs from the tables, so that running them needs no SQLAlchemy.

`python -m cloacina.store.rendering` writes them into `rendered.py`, and `ruff format` puts that in order; a test holds
that they are what the tables say.
What is rare, such as a migration, or asked by users, such as a query, is compiled when it is used.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ClauseElement,
    Table,
    bindparam,
    column,
    false,
    func,
    insert,
    literal_column,
    null,
    select,
    update,
    values,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert as insert_or_update
from sqlalchemy.schema import CreateIndex, CreateTable

from cloacina.store import changes
from cloacina.store.lookup import AskedWait, StoredSignal
from cloacina.store.records import ExecutionStatus, SignalKind, SubStatus, TaskStatus
from cloacina.store.tables import (
    checkpoints,
    execution_events,
    metadata,
    revision,
    runners,
    signals,
    task_executions,
    waits,
    workflow_executions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def kinds() -> list[tuple[int, str, str | None]]:
    """Return, for each kind of change, how many parameters a row has, and the SQL for one row and for several.

    The latter is None when it is the same. Parameters are positional.
    """
    found: dict[int, tuple[int, str, str | None]] = {}
    for kind, (table, columns) in _INSERTS.items():
        found[kind] = len(columns), _positional(_insert(table, columns)), None
    for kind, (table, columns) in _UPDATES.items():
        # A single row has a statement of its own: joining it to a table of one row takes twice the time.
        one_row, rows = _update_one(table, columns), _update_from_rows(table, columns)
        found[kind] = len(columns) + 1, _positional(one_row), _positional(rows)
    found[changes.CHECKPOINT] = len(_CHECKPOINT), _positional(_upsert_checkpoint()), None
    return [found[kind] for kind in sorted(found)]


def named() -> dict[str, str]:
    """Return the statements that have a name, by it. Their parameters have names too."""
    executions, sent = workflow_executions.c, signals.c
    in_short = select(executions.id, executions.status, executions.runner_id)
    messages = (sent.execution_id == bindparam("execution_id")) & (sent.kind == bindparam("kind"))
    unread = sent.consumed_at.is_(None)
    at_work = runners.c.status.in_(_literals("live", "stopping"))
    # Written out, as the partial index is that finds them.
    unfinished = executions.status.in_(_literals(ExecutionStatus.PENDING.value, ExecutionStatus.RUNNING.value))
    one_of = func.json_each(bindparam("workflows")).table_valued("value")
    kept = func.json_each(bindparam("kept")).table_valued("value")
    # The partial index of what has not completed is found by its own words.
    not_completed = executions.status != literal_column("'Completed'")
    left = (executions.runner_id == bindparam("runner_id")) & unfinished & not_completed
    left &= executions.id.not_in(select(kept.c.value))
    tasks = task_executions.c
    is_active = tasks.sub_status.in_(_literals(SubStatus.ACTIVE.value))
    was_at_work = tasks.status.in_(_literals(TaskStatus.RUNNING.value)) & is_active
    seen: dict[str, Any] = {"status": bindparam("status"), "seen_at": bindparam("seen_at")}
    newest = (func.max(executions.id).label("id"), func.max(waits.c.id))
    newest_ids = select(newest[0]).union_all(select(newest[1])).subquery("newest")
    statements: dict[str, ClauseElement] = {
        "REVISION": select(revision.c.version_num),
        "NEW_REVISION": insert(revision),
        "NO_REVISION": update(revision).where(false()).values(version_num=literal_column("''")),
        "FIND_BY_ID": in_short.where(executions.id == bindparam("id")),
        "FIND_BY_KEY": in_short.where(
            executions.workflow == bindparam("workflow"), executions.idempotency_key == bindparam("key")
        ),
        "NEWEST_ID": select(func.max(newest_ids.c.id)),
        "ADDRESSES": select(runners.c.wake_address).where(
            runners.c.status.in_(_literals("live")), runners.c.wake_address.is_not(None)
        ),
        "ADDRESS_OF": select(runners.c.wake_address).where(runners.c.id == bindparam("id")),
        "RUNNER": select(runners.c.id, runners.c.status, runners.c.seen_at).where(runners.c.id == bindparam("id")),
        "OTHER_RUNNERS": select(runners.c.id, runners.c.seen_at).where(at_work, runners.c.id != bindparam("id")),
        "NEW_RUNNER": insert(runners),
        "TELL_RUNNER": update(runners).where(runners.c.id == bindparam("runner_id")).values(seen),
        "TELL_WORKFLOWS": update(runners)
        .where(runners.c.id == bindparam("runner_id"))
        .values(workflows=bindparam("names")),
        "FREE": select(executions.id)
        .where(executions.runner_id.is_(None), unfinished, executions.workflow.in_(select(one_of.c.value)))
        .order_by(executions.id)
        .limit(bindparam("limit"))
        .offset(literal_column("0")),
        "FREE_ONE": select(executions.id).where(
            executions.runner_id.is_(None),
            unfinished,
            executions.workflow.in_(select(one_of.c.value)),
            executions.id == bindparam("only"),
        ),
        "RETRIES": select(sent.seq).where(sent.kind.in_(_literals(SignalKind.RETRY.value)), unread),
        "LEAVE_TASKS": update(task_executions)
        .where(was_at_work, tasks.execution_id.in_(select(executions.id).where(left)))
        .values(sub_status=null()),
        "LEAVE": update(workflow_executions).where(left).values(runner_id=null()),
        "SIGNAL_WITH_KEY": select(sent.seq).where(
            messages, sent.name == bindparam("name"), sent.key == bindparam("key")
        ),
        "UNREAD_OF_KIND": select(sent.seq).where(messages, unread),
        "ANSWER": select(sent.payload, sent.sender, sent.sent_at).where(
            sent.execution_id == bindparam("execution_id"),
            sent.kind.in_(_literals(SignalKind.ANSWER.value)),
            sent.name == bindparam("wait_id"),
            sent.refusal.is_(None),
        ),
        "NEWEST_SIGNAL": select(func.max(sent.seq)),
        "SIGNALS_SINCE": select(*(sent[name] for name in StoredSignal._fields))
        .where(sent.seq > bindparam("number"), unread)
        .order_by(sent.seq),
        "ASKED": select(*(waits.c[name] for name in AskedWait._fields)).where(waits.c.id == bindparam("id")),
    }
    dialect = sqlite.dialect(paramstyle="named")
    return {name: _in_a_line(str(statement.compile(dialect=dialect))) for name, statement in statements.items()}


def schema() -> list[str]:
    """Return the statements that create the tables in an empty database."""
    tables = [*metadata.sorted_tables, revision]
    indexes = sorted((index for table in tables for index in table.indexes), key=lambda index: str(index.name))
    statements: list[ClauseElement] = [*map(CreateTable, tables), *map(CreateIndex, indexes)]
    dialect = sqlite.dialect()
    return [_in_a_line(str(statement.compile(dialect=dialect))) for statement in statements]


def module() -> str:
    """Return the source of `rendered.py`."""
    lines = [*_HEAD.splitlines(), ""]
    for name, text in named().items():
        lines += [f"{name}: Final = (", *_parts(text), ")"]
    lines += ["KINDS: Final[tuple[tuple[int, str, str | None], ...]] = ("]
    for width, one_row, rows in kinds():
        several = ["None"] if rows is None else ["(", *_parts(rows), ")"]
        lines += ["(", f"{width},", "(", *_parts(one_row), "),", *several, ",", "),"]
    lines += [")", "SCHEMA: Final = ("]
    for text in schema():
        lines += ["(", *_parts(text), "),"]
    return "\n".join([*lines, ")", ""])


_HEAD = '''"""The statements that every process needs. Written by `rendering` from the tables: change them there."""

from __future__ import annotations

from typing import Final
'''


def _parts(text: str) -> Iterator[str]:
    width = 100
    for part in textwrap.wrap(text, width, drop_whitespace=False, break_on_hyphens=False):
        yield repr(part) if '"' in part else f'"{part}"'


def _positional(statement: UpdateBase) -> str:
    return _in_a_line(str(statement.compile(dialect=sqlite.dialect())))


def _in_a_line(text: str) -> str:
    return " ".join(text.split())


def _literals(*words: str) -> list[Any]:
    return [literal_column(f"'{word}'") for word in words]


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


if __name__ == "__main__":
    Path(__file__).with_name("rendered.py").write_text(module(), encoding="utf-8")
