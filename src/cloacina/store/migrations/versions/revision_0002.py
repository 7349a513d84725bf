"""Events without a row of their own in SQLite's table of sequences, which each commit had to write."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS = "id, execution_id, task_execution_id, task_id, type, at, attempt, slot, detail"


def upgrade() -> None:
    """Copy the events, with their ids, into a table that numbers new ones from the greatest id on."""
    moment = sa.Double[float]().with_variant(sa.REAL(), "sqlite")
    op.drop_index("ix_execution_events_execution_id", "execution_events")
    op.rename_table("execution_events", "execution_events_0001")
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
    )
    op.execute(
        f"INSERT INTO execution_events ({_COLUMNS}) SELECT {_COLUMNS} FROM execution_events_0001 ORDER BY id"  # noqa: S608 - constants
    )
    op.drop_table("execution_events_0001")
    op.create_index("ix_execution_events_execution_id", "execution_events", ["execution_id"])
