"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the first tables in an empty database."""
    moment = sa.Double[float]().with_variant(sa.REAL(), "sqlite")
    op.create_table(
        "workflow_executions",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("workflow", sa.Text, nullable=False),
        sa.Column("workflow_version", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("started_at", moment),
        sa.Column("finished_at", moment),
        sa.Column("context", sa.Text, nullable=False, comment="the initial context, JSON"),
        sa.Column("final_context", sa.Text, comment="the context at the end, JSON"),
        sa.Column("error", sa.Text, comment="an ErrorRecord, JSON"),
        sa.PrimaryKeyConstraint("id", name="pk_workflow_executions"),
    )
    op.create_index("ix_workflow_executions_workflow", "workflow_executions", ["workflow", "id"])
    op.create_index(
        "ix_workflow_executions_status",
        "workflow_executions",
        ["status", "id"],
        sqlite_where=sa.text("status != 'Completed'"),
    )
    op.create_table(
        "task_executions",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False, comment="the place in the topological order"),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("sub_status", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("started_at", moment),
        sa.Column("finished_at", moment),
        sa.Column("changes", sa.Text, comment="what the task changed in its context, JSON"),
        sa.Column("error", sa.Text, comment="an ErrorRecord, JSON"),
        sa.PrimaryKeyConstraint("id", name="pk_task_executions"),
        sa.UniqueConstraint("execution_id", "task_id", name="uq_task_executions_execution_id_task_id"),
        sa.ForeignKeyConstraint(["execution_id"], ["workflow_executions.id"], name="fk_task_executions_execution_id"),
    )
    op.create_table(
        "waits",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("task_execution_id", sa.Text, nullable=False),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("deadline", moment),
        sa.Column("poll_interval_ms", sa.Integer),
        sa.Column("polls", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("next_poll_at", moment),
        sa.Column("errors", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("last_error", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("ended_at", moment),
        sa.PrimaryKeyConstraint("id", name="pk_waits"),
        sa.ForeignKeyConstraint(["execution_id"], ["workflow_executions.id"], name="fk_waits_execution_id"),
        sa.ForeignKeyConstraint(["task_execution_id"], ["task_executions.id"], name="fk_waits_task_execution_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_waits_execution_id", "waits", ["execution_id", "id"])
    op.create_index("ix_waits_phase", "waits", ["phase", "id"], sqlite_where=sa.text("phase != 'ended'"))
    op.create_table(
        "execution_events",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("task_execution_id", sa.Text),
        sa.Column("task_id", sa.Text),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("attempt", sa.Integer),
        sa.Column("slot", sa.Integer),
        sa.Column("detail", sa.Text, comment="JSON"),
        sa.PrimaryKeyConstraint("id", name="pk_execution_events"),
        sa.ForeignKeyConstraint(["execution_id"], ["workflow_executions.id"], name="fk_execution_events_execution_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_execution_events_execution_id", "execution_events", ["execution_id"])
