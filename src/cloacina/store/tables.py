"""The tables. Every change here needs a migration: a test compares the two.

Moments are seconds since the epoch in UTC, JSON is text, ids are UUIDv7 text and so sort by the moment they were made.
Each index is paid for by every write: there is one only where a query needs it.
"""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

VERSION_TABLE = "cloacina_revision"
"""The table that holds the revision of the schema. Its own name lets another program's migrations be told apart."""

metadata = MetaData()

_MOMENT = Double[float]().with_variant(REAL(), "sqlite")

workflow_executions = Table(
    "workflow_executions",
    metadata,
    Column("id", Text, nullable=False, comment="UUIDv7"),
    Column("workflow", Text, nullable=False, comment="the workflow's name"),
    Column("workflow_version", Text, nullable=False, comment="the workflow's version when it was submitted"),
    Column("status", Text, nullable=False, comment="Pending, Running, Completed, Failed or Cancelled"),
    Column("created_at", _MOMENT, nullable=False, comment="when it was submitted"),
    Column("started_at", _MOMENT, comment="when its first task started"),
    Column("finished_at", _MOMENT, comment="when it ended"),
    Column("context", Text, nullable=False, comment="the initial context, JSON"),
    Column("final_context", Text, comment="the context at the end, JSON"),
    Column("error", Text, comment="an ErrorRecord, JSON"),
    PrimaryKeyConstraint("id", name="pk_workflow_executions"),
    comment="One run of a workflow.",
)

task_executions = Table(
    "task_executions",
    metadata,
    Column("id", Text, nullable=False, comment="UUIDv7; the same in all attempts"),
    Column("execution_id", Text, nullable=False, comment="the execution"),
    Column("task_id", Text, nullable=False, comment="the task's id in its workflow"),
    Column("position", Integer, nullable=False, comment="the place in the topological order"),
    Column("status", Text, nullable=False, comment="Pending, Ready, Running, Completed, Failed, Skipped or Cancelled"),
    Column("sub_status", Text, comment="Active or Deferred while it is Running"),
    Column(
        "attempt",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="the current or last attempt; 0 before the first",
    ),
    Column("started_at", _MOMENT, comment="when that attempt started"),
    Column("finished_at", _MOMENT, comment="when the task ended"),
    Column("changes", Text, comment="what the task changed in its context, JSON"),
    Column("error", Text, comment="an ErrorRecord, JSON"),
    PrimaryKeyConstraint("id", name="pk_task_executions"),
    UniqueConstraint("execution_id", "task_id", name="uq_task_executions_execution_id_task_id"),
    ForeignKeyConstraint(["execution_id"], ["workflow_executions.id"], name="fk_task_executions_execution_id"),
    comment="One task in one execution.",
)

waits = Table(
    "waits",
    metadata,
    Column("id", Text, nullable=False, comment="UUIDv7"),
    Column("execution_id", Text, nullable=False, comment="the execution"),
    Column("task_execution_id", Text, nullable=False, comment="the task execution"),
    Column("task_id", Text, nullable=False, comment="the task's id in its workflow"),
    Column("phase", Text, nullable=False, comment="waiting, resuming or ended"),
    Column("started_at", _MOMENT, nullable=False, comment="when it began"),
    Column("deadline", _MOMENT, comment="when it times out"),
    Column("poll_interval_ms", Integer, comment="milliseconds between two calls"),
    Column(
        "polls",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="how often the condition was called, as of a few seconds ago",
    ),
    Column("next_poll_at", _MOMENT, comment="when it is called next, as of a few seconds ago"),
    Column("errors", Integer, nullable=False, server_default=text("0"), comment="how often the condition has raised"),
    Column("last_error", Text, comment="what it raised last"),
    Column("outcome", Text, comment="met, timeout, error or cancelled"),
    Column("ended_at", _MOMENT, comment="when the task went on"),
    PrimaryKeyConstraint("id", name="pk_waits"),
    ForeignKeyConstraint(["execution_id"], ["workflow_executions.id"], name="fk_waits_execution_id"),
    ForeignKeyConstraint(["task_execution_id"], ["task_executions.id"], name="fk_waits_task_execution_id"),
    # The rows are small, so they may live in the index of their key: a page less to write in each commit. Rows with a
    # context are not: above a kilobyte each takes a page of its own there, twice the space and half as much time again.
    sqlite_with_rowid=False,
    comment="One stretch in which a task holds no slot.",
)

execution_events = Table(
    "execution_events",
    metadata,
    Column("execution_id", Text, nullable=False, comment="the execution"),
    Column("number", Integer, nullable=False, comment="counts the execution's events, from 1"),
    Column("task_execution_id", Text, comment="the task execution, of an event of a task"),
    Column("task_id", Text, comment="the task's id in its workflow"),
    Column("type", Text, nullable=False, comment="what happened"),
    Column("at", _MOMENT, nullable=False, comment="when it happened"),
    Column("attempt", Integer, comment="the attempt"),
    Column("slot", Integer, comment="the slot that was taken, given back or kept"),
    Column("detail", Text, comment="JSON"),
    # Counted by the execution's runner and not by the database: the events of an execution lie beside each other, and
    # writing one again that was committed already is noticed.
    PrimaryKeyConstraint("execution_id", "number", name="pk_execution_events"),
    ForeignKeyConstraint(["execution_id"], ["workflow_executions.id"], name="fk_execution_events_execution_id"),
    sqlite_with_rowid=False,
    comment="One thing that happened. Rows are only added.",
)

# Each ends with the id, because each query pages by it. Partial: most executions are completed and most waits ended,
# so for those the primary key is as good.
Index("ix_workflow_executions_workflow", workflow_executions.c.workflow, workflow_executions.c.id)
Index(
    "ix_workflow_executions_status",
    workflow_executions.c.status,
    workflow_executions.c.id,
    sqlite_where=workflow_executions.c.status != text("'Completed'"),
)
Index("ix_waits_execution_id", waits.c.execution_id, waits.c.id)
Index("ix_waits_phase", waits.c.phase, waits.c.id, sqlite_where=waits.c.phase != text("'ended'"))

# With the columns and the constraint's name that Alembic gives it. Not in `metadata`: Alembic looks after it alone.
revision = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)
