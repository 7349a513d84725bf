"""Owners, signals and checkpoints; and events that are numbered within their execution and lie beside each other."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_MOMENT = sa.Double[float]().with_variant(sa.REAL(), "sqlite")
_COUNT = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
_EVENT = "task_execution_id, task_id, type, at, attempt, slot, detail"


def upgrade() -> None:
    """Add columns and tables, and copy the events into a table of another key."""
    _add_columns()
    _add_tables()
    _add_indexes()
    _number_events()


def _add_columns() -> None:
    added: dict[str, list[sa.Column[Any]]] = {
        "workflow_executions": [sa.Column("runner_id", sa.Text), sa.Column("idempotency_key", sa.Text)],
        "task_executions": [
            sa.Column("due_at", _MOMENT),
            sa.Column("recoveries", sa.Integer, nullable=False, server_default=sa.text("0")),
            sa.Column("source_version", sa.Text),
            sa.Column("heartbeat_at", _MOMENT),
            sa.Column("heartbeat", sa.Text),
        ],
        "waits": [
            sa.Column("kind", sa.Text, nullable=False, server_default=sa.text("'condition'")),
            sa.Column("name", sa.Text, nullable=False, server_default=sa.text("''")),
            sa.Column("ordinal", sa.Integer, nullable=False, server_default=sa.text("1")),
            sa.Column("attempt", sa.Integer, nullable=False, server_default=sa.text("1")),
            sa.Column("due_at", _MOMENT),
            sa.Column("question", sa.Text),
            sa.Column("value", sa.Text),
            sa.Column("signal_id", sa.Text),
        ],
    }
    for table, columns in added.items():
        for column in columns:
            op.add_column(table, column)


def _add_tables() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("task_execution_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("source_version", sa.Text),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("task_execution_id", "name", "key", name="pk_checkpoints"),
        sa.ForeignKeyConstraint(["task_execution_id"], ["task_executions.id"], name="fk_checkpoints_task_execution_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "signals",
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("payload", sa.Text),
        sa.Column("key", sa.Text),
        sa.Column("sender", sa.Text),
        sa.Column("sent_at", _MOMENT, nullable=False),
        sa.Column("consumed_at", _MOMENT),
        sa.Column("wait_id", sa.Text),
        sa.Column("refusal", sa.Text),
        sa.PrimaryKeyConstraint("seq", name="pk_signals"),
        sa.UniqueConstraint("id", name="uq_signals_id"),
        sa.ForeignKeyConstraint(["execution_id"], ["workflow_executions.id"], name="fk_signals_execution_id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "runners",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("boot_id", sa.Text),
        sa.Column("pid_namespace", _COUNT),
        sa.Column("pid", _COUNT, nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
        sa.Column("wake_address", sa.Text),
        sa.Column("max_concurrent_tasks", _COUNT, nullable=False),
        sa.Column("workflows", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_runners"),
    )


def _add_indexes() -> None:
    op.create_index(
        "ix_workflow_executions_free",
        "workflow_executions",
        ["workflow", "id"],
        sqlite_where=sa.text("runner_id IS NULL AND status IN ('Pending', 'Running')"),
    )
    op.create_index(
        "ix_workflow_executions_idempotency_key",
        "workflow_executions",
        ["workflow", "idempotency_key"],
        unique=True,
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_index("ix_signals_execution_id", "signals", ["execution_id", "seq"])
    op.create_index(
        "ix_signals_key",
        "signals",
        ["execution_id", "kind", "name", "key"],
        unique=True,
        sqlite_where=sa.text('"key" IS NOT NULL'),
    )


def _number_events() -> None:
    op.drop_index("ix_execution_events_execution_id", "execution_events")
    op.rename_table("execution_events", "execution_events_0002")
    op.create_table(
        "execution_events",
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("task_execution_id", sa.Text),
        sa.Column("task_id", sa.Text),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("attempt", sa.Integer),
        sa.Column("slot", sa.Integer),
        sa.Column("detail", sa.Text),
        sa.PrimaryKeyConstraint("execution_id", "number", name="pk_execution_events"),
        sa.ForeignKeyConstraint(["execution_id"], ["workflow_executions.id"], name="fk_execution_events_execution_id"),
        sqlite_with_rowid=False,
    )
    op.execute(
        f"INSERT INTO execution_events (execution_id, number, {_EVENT}) "  # noqa: S608 - constants
        f"SELECT execution_id, row_number() OVER (PARTITION BY execution_id ORDER BY id), {_EVENT} "
        "FROM execution_events_0002 ORDER BY execution_id, id"
    )
    op.drop_table("execution_events_0002")
