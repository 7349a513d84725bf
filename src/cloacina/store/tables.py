"""The tables. Every change here needs a migration: a test compares the two.

Moments are seconds since the epoch in UTC, JSON is text, ids are UUIDv7 text and so sort by the moment they were made.
Each index is paid for by every write: there is one only where a query needs it.
"""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    BigInteger,
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
    literal_column,
    text,
)

from cloacina.store.schema import VERSION_TABLE

metadata = MetaData()

# Written out, because the condition of an index cannot have parameters.
_UNFINISHED = [literal_column("'Pending'", Text), literal_column("'Running'", Text)]
_MOMENT = Double[float]().with_variant(REAL(), "sqlite")
# SQLite's integers have 64 bits, PostgreSQL's have 32.
_COUNT = Integer().with_variant(BigInteger(), "postgresql")

workflow_executions = Table(
    "workflow_executions",
    metadata,
    Column("id", Text, nullable=False, comment="UUIDv7"),
    Column("workflow", Text, nullable=False, comment="the workflow's name"),
    Column(
        "workflow_version",
        Text,
        nullable=False,
        comment="its version when it was submitted; empty when only its name was known",
    ),
    Column("status", Text, nullable=False, comment="Pending, Running, Completed, Failed or Cancelled"),
    Column("created_at", _MOMENT, nullable=False, comment="when it was submitted"),
    Column("started_at", _MOMENT, comment="when its first task started"),
    Column("finished_at", _MOMENT, comment="when it ended"),
    Column("context", Text, nullable=False, comment="the initial context, JSON"),
    Column("final_context", Text, comment="the context at the end, JSON"),
    Column("error", Text, comment="an ErrorRecord, JSON"),
    Column("runner_id", Text, comment="the runner that it belongs to; NULL while any runner may take it"),
    Column("idempotency_key", Text, comment="the key it was submitted with"),
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
    Column("due_at", _MOMENT, comment="when its next attempt is due, after one that failed"),
    Column(
        "recoveries",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="how often it was begun again because its process had died",
    ),
    Column("source_version", Text, comment="the version of the task's code in this attempt"),
    Column("heartbeat_at", _MOMENT, comment="when its last heartbeat came, as of a few seconds ago"),
    Column("heartbeat", Text, comment="what that heartbeat told, JSON"),
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
    Column(
        "kind",
        Text,
        nullable=False,
        server_default=text("'condition'"),
        comment="what is waited for: condition, time, signal, question, any or all",
    ),
    Column(
        "name", Text, nullable=False, server_default=text("''"), comment="the wait's name; of a signal, the signal's"
    ),
    Column(
        "ordinal",
        Integer,
        nullable=False,
        server_default=text("1"),
        comment="counts the waits of this kind and name in the task's body, from 1",
    ),
    Column("attempt", Integer, nullable=False, server_default=text("1"), comment="the attempt that waits"),
    Column("phase", Text, nullable=False, comment="waiting, resuming or ended"),
    Column("started_at", _MOMENT, nullable=False, comment="when it began"),
    Column("deadline", _MOMENT, comment="when it times out"),
    Column("due_at", _MOMENT, comment="the moment that it waits for"),
    Column("question", Text, comment="what a person is asked: text, JSON Schema of the answer and addressees, JSON"),
    Column("poll_interval_ms", _COUNT, comment="milliseconds between two calls"),
    Column(
        "polls",
        _COUNT,
        nullable=False,
        server_default=text("0"),
        comment="how often the condition was called, as of a few seconds ago",
    ),
    Column("next_poll_at", _MOMENT, comment="when it is called next, as of a few seconds ago"),
    Column("errors", Integer, nullable=False, server_default=text("0"), comment="how often the condition has raised"),
    Column("last_error", Text, comment="what it raised last"),
    Column("outcome", Text, comment="met, timeout, error, cancelled or dropped"),
    Column("value", Text, comment="what it was met with, JSON"),
    Column("signal_id", Text, comment="the signal that met it"),
    Column("ended_at", _MOMENT, comment="when the task went on"),
    PrimaryKeyConstraint("id", name="pk_waits"),
    ForeignKeyConstraint(["execution_id"], ["workflow_executions.id"], name="fk_waits_execution_id"),
    ForeignKeyConstraint(["task_execution_id"], ["task_executions.id"], name="fk_waits_task_execution_id"),
    # The rows are small, so they may live in the index of their key: a page less to write in each commit. Rows with a
    # context are not: above a kilobyte each takes a page of its own there, twice the space and half as much time again.
    sqlite_with_rowid=False,
    comment="One stretch in which a task holds no slot.",
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("task_execution_id", Text, nullable=False, comment="the task execution"),
    Column("name", Text, nullable=False, comment="the checkpoint's name"),
    Column("key", Text, nullable=False, comment="`=` and the key given, or `#` and which of this name it is"),
    Column("value", Text, comment="its result, JSON; NULL when it has begun and may happen at most once"),
    Column("attempt", Integer, nullable=False, comment="the attempt that made it"),
    Column("source_version", Text, comment="the version of the task's code that made it"),
    Column("created_at", _MOMENT, nullable=False, comment="when it was stored"),
    PrimaryKeyConstraint("task_execution_id", "name", "key", name="pk_checkpoints"),
    ForeignKeyConstraint(["task_execution_id"], ["task_executions.id"], name="fk_checkpoints_task_execution_id"),
    sqlite_with_rowid=False,
    comment="The result of one step of a task, which is never run again.",
)

signals = Table(
    "signals",
    metadata,
    Column("seq", Integer, nullable=False, comment="grows in the order of sending; never used again"),
    Column("id", Text, nullable=False, comment="UUIDv7, made by the sender"),
    Column("execution_id", Text, nullable=False, comment="the execution it is for"),
    Column("kind", Text, nullable=False, comment="signal, answer, cancel or retry"),
    Column("name", Text, nullable=False, comment="the signal's name; of an answer, the question's wait"),
    Column("payload", Text, comment="what it tells, JSON"),
    Column("key", Text, comment="of several with one key, the first counts"),
    Column("sender", Text, comment="who sent it, as far as they said"),
    Column("sent_at", _MOMENT, nullable=False, comment="when it was sent"),
    Column("consumed_at", _MOMENT, comment="when it took effect, or was refused"),
    Column("wait_id", Text, comment="the wait that it met"),
    Column("refusal", Text, comment="why it was refused"),
    PrimaryKeyConstraint("seq", name="pk_signals"),
    UniqueConstraint("id", name="uq_signals_id"),
    ForeignKeyConstraint(["execution_id"], ["workflow_executions.id"], name="fk_signals_execution_id"),
    # A reader goes on behind the number that it has seen, so that of a deleted row must not come again.
    sqlite_autoincrement=True,
    comment="A message to an execution, stored before anyone is woken.",
)

runners = Table(
    "runners",
    metadata,
    Column("id", Text, nullable=False, comment="UUIDv7, of one run of one runner"),
    Column("status", Text, nullable=False, comment="live, stopping, stopped or dead"),
    Column("host", Text, nullable=False, comment="the machine's name"),
    Column("boot_id", Text, comment="the boot of the machine's kernel"),
    Column("pid_namespace", _COUNT, comment="in which the process's number means something"),
    Column("pid", _COUNT, nullable=False, comment="the process"),
    Column("started_at", _MOMENT, nullable=False, comment="when it was opened"),
    Column("seen_at", _MOMENT, nullable=False, comment="when it was last at work, as of a few seconds ago"),
    Column("wake_address", Text, comment="the socket that wakes it"),
    Column("max_concurrent_tasks", _COUNT, nullable=False, comment="its slots"),
    Column("workflows", Text, nullable=False, comment="the names of the workflows that it knows, JSON"),
    Column("version", Text, nullable=False, comment="the version of Cloacina"),
    PrimaryKeyConstraint("id", name="pk_runners"),
    comment="A process that runs, or has run, executions.",
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

Index(
    "ix_workflow_executions_free",
    workflow_executions.c.workflow,
    workflow_executions.c.id,
    sqlite_where=workflow_executions.c.runner_id.is_(None) & workflow_executions.c.status.in_(_UNFINISHED),
)
Index(
    "ix_workflow_executions_idempotency_key",
    workflow_executions.c.workflow,
    workflow_executions.c.idempotency_key,
    unique=True,
    sqlite_where=workflow_executions.c.idempotency_key.is_not(None),
)
Index("ix_signals_execution_id", signals.c.execution_id, signals.c.seq)
Index(
    "ix_signals_key",
    signals.c.execution_id,
    signals.c.kind,
    signals.c.name,
    signals.c.key,
    unique=True,
    sqlite_where=signals.c.key.is_not(None),
)

# With the columns and the constraint's name that Alembic gives it. Not in `metadata`: Alembic looks after it alone.
revision = Table(
    VERSION_TABLE,
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)
