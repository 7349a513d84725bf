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
    Column("id", Text, nullable=False),
    Column("workflow", Text, nullable=False),
    Column("workflow_version", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", _MOMENT, nullable=False),
    Column("started_at", _MOMENT),
    Column("finished_at", _MOMENT),
    Column("context", Text, nullable=False, comment="the initial context, JSON"),
    Column("final_context", Text, comment="the context at the end, JSON"),
    Column("error", Text, comment="an ErrorRecord, JSON"),
    PrimaryKeyConstraint("id", name="pk_workflow_executions"),
)

task_executions = Table(
    "task_executions",
    metadata,
    Column("id", Text, nullable=False),
    Column("execution_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("position", Integer, nullable=False, comment="the place in the topological order"),
    Column("status", Text, nullable=False),
    Column("sub_status", Text),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("started_at", _MOMENT),
    Column("finished_at", _MOMENT),
    Column("changes", Text, comment="what the task changed in its context, JSON"),
    Column("error", Text, comment="an ErrorRecord, JSON"),
    PrimaryKeyConstraint("id", name="pk_task_executions"),
    UniqueConstraint("execution_id", "task_id", name="uq_task_executions_execution_id_task_id"),
    ForeignKeyConstraint(["execution_id"], ["workflow_executions.id"], name="fk_task_executions_execution_id"),
)

waits = Table(
    "waits",
    metadata,
    Column("id", Text, nullable=False),
    Column("execution_id", Text, nullable=False),
    Column("task_execution_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("started_at", _MOMENT, nullable=False),
    Column("deadline", _MOMENT),
    Column("poll_interval_ms", Integer),
    Column("polls", Integer, nullable=False, server_default=text("0")),
    Column("next_poll_at", _MOMENT),
    Column("errors", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
    Column("outcome", Text),
    Column("ended_at", _MOMENT),
    PrimaryKeyConstraint("id", name="pk_waits"),
    ForeignKeyConstraint(["execution_id"], ["workflow_executions.id"], name="fk_waits_execution_id"),
    ForeignKeyConstraint(["task_execution_id"], ["task_executions.id"], name="fk_waits_task_execution_id"),
    # The rows are small, so they may live in the index of their key: a page less to write in each commit. Rows with a
    # context are not: above a kilobyte each takes a page of its own there, twice the space and half as much time again.
    sqlite_with_rowid=False,
)

execution_events = Table(
    "execution_events",
    metadata,
    Column("id", Integer, nullable=False),
    Column("execution_id", Text, nullable=False),
    Column("task_execution_id", Text),
    Column("task_id", Text),
    Column("type", Text, nullable=False),
    Column("at", _MOMENT, nullable=False),
    Column("attempt", Integer),
    Column("slot", Integer),
    Column("detail", Text, comment="JSON"),
    PrimaryKeyConstraint("id", name="pk_execution_events"),
    ForeignKeyConstraint(["execution_id"], ["workflow_executions.id"], name="fk_execution_events_execution_id"),
    # The ids only grow, even when the newest events are deleted: whoever read up to one can go on from it.
    sqlite_autoincrement=True,
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
Index("ix_execution_events_execution_id", execution_events.c.execution_id)

# With the columns and the constraint's name that Alembic gives it. Not in `metadata`: Alembic looks after it alone.
revision = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)
