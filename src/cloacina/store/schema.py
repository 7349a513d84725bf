"""Creating the schema, and bringing an older one up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import false, insert, inspect, select, update

from cloacina.errors import StoreTooNew, StoreUnavailable, join_names
from cloacina.store.tables import VERSION_TABLE, metadata, revision

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloacina.store.address import Address

# Known without Alembic, whose import takes longer than opening a database; a test compares them with its revisions.
REVISIONS = ("0001", "0002", "0003")
"""Every revision of the schema, oldest first."""
NEWEST_REVISION = REVISIONS[-1]
"""The revision that the tables of this version have."""


def stored_revision(connection: Connection, address: Address) -> str | None:
    """Return the revision of the schema in a database; None when the database is empty.

    Raises:
        StoreUnavailable: The database belongs to another program.
        StoreTooNew: The revision is unknown to this version.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if VERSION_TABLE not in tables:
        raise StoreUnavailable(
            f"Cannot use {address}: it holds the tables of another program ({join_names(sorted(tables)[:5])}). "
            "Cloacina keeps its tables in a database of its own; name a new file."
        )
    found: str | None = connection.scalar(select(revision.c.version_num))
    if found is None:
        raise StoreUnavailable(f"Cannot use {address}: its table {VERSION_TABLE!r} is empty; expected one revision.")
    if found not in REVISIONS:
        raise StoreTooNew(
            f"{address} has schema revision {found!r}, written by a newer version of Cloacina; "
            f"this version knows {join_names(REVISIONS)}. Use the newer version, or another database."
        )
    return found


def bring_up_to_date(connection: Connection, address: Address) -> None:
    """Create the schema in an empty database, or migrate an older one, in the transaction that is open.

    Raises:
        DBAPIError: The database cannot be written.
        StoreUnavailable: The database belongs to another program.
        StoreTooNew: The schema is newer than this version.
    """
    found = stored_revision(connection, address)
    if found is None:
        metadata.create_all(connection, checkfirst=False)
        revision.create(connection, checkfirst=False)
        connection.execute(insert(revision).values(version_num=NEWEST_REVISION))
    elif found != NEWEST_REVISION:
        from cloacina.store.migrations.upgrade import upgrade  # noqa: PLC0415 - Alembic is slow to import, rarely needed

        upgrade(connection)
    else:
        # Changes nothing, and fails when the file cannot be written: BEGIN IMMEDIATE alone would be content to read.
        connection.execute(update(revision).where(false()).values(version_num=NEWEST_REVISION))
