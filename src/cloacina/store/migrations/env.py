"""Alembic's entry point: runs the revisions on the connection that `upgrade` hands over."""

from __future__ import annotations

from alembic import context

from cloacina.store.schema import VERSION_TABLE
from cloacina.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
