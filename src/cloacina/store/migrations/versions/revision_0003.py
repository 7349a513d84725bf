"""Events that are numbered within their execution, and lie beside each other."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_REST = "task_execution_id, task_id, type, at, attempt, slot, detail"


def upgrade() -> None:
    """Copy the events into a table whose key is the execution and the event's number in it."""
    moment = sa.Double[float]().with_variant(sa.REAL(), "sqlite")
    op.drop_index("ix_execution_events_execution_id", "execution_events")
    op.rename_table("execution_events", "execution_events_0002")
    op.create_table(
        "execution_events",
        sa.Column("execution_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("task_execution_id", sa.Text),
        sa.Column("task_id", sa.Text),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("attempt", sa.Integer),
        sa.Column("slot", sa.Integer),
        sa.Column("detail", sa.Text),
        sa.PrimaryKeyConstraint("execution_id", "number", name="pk_execution_events"),
        sa.ForeignKeyConstraint(["execution_id"], ["workflow_executions.id"], name="fk_execution_events_execution_id"),
        sqlite_with_rowid=False,
    )
    op.execute(
        f"INSERT INTO execution_events (execution_id, number, {_REST}) "  # noqa: S608 - constants
        f"SELECT execution_id, row_number() OVER (PARTITION BY execution_id ORDER BY id), {_REST} "
        "FROM execution_events_0002 ORDER BY execution_id, id"
    )
    op.drop_table("execution_events_0002")
