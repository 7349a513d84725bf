"""Creating the schema, and bringing an older one up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloacina.errors import StoreTooNew, StoreUnavailable, join_names
from cloacina.store import rendered

if TYPE_CHECKING:
    from cloacina.store.address import Address
    from cloacina.store.connection import Connection

# Known without Alembic, whose import takes longer than opening a database; a test compares them with its revisions.
REVISIONS = ("0001", "0002", "0003")
"""Every revision of the schema, oldest first."""
NEWEST_REVISION = REVISIONS[-1]
"""The revision that the tables of this version have."""
VERSION_TABLE = "cloacina_revision"
"""The table that holds the revision of the schema. Its own name lets another program's migrations be told apart."""

_TABLE_NAMES = (
    r"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY 1"
)


def stored_revision(connection: Connection, address: Address) -> str | None:
    """Return the revision of the schema in a database; None when the database is empty.

    Raises:
        StoreUnavailable: The database belongs to another program.
        StoreTooNew: The revision is unknown to this version.
    """
    tables = [name for (name,) in connection.run(_TABLE_NAMES)]
    if not tables:
        return None
    if VERSION_TABLE not in tables:
        raise StoreUnavailable(
            f"Cannot use {address}: it holds the tables of another program ({join_names(tables[:5])}). "
            "Cloacina keeps its tables in a database of its own; name a new file."
        )
    row = connection.run(rendered.REVISION).fetchone()
    if row is None:
        raise StoreUnavailable(f"Cannot use {address}: its table {VERSION_TABLE!r} is empty; expected one revision.")
    found: str = row[0]
    if found not in REVISIONS:
        raise StoreTooNew(
            f"{address} has schema revision {found!r}, written by a newer version of Cloacina; "
            f"this version knows {join_names(REVISIONS)}. Use the newer version, or another database."
        )
    return found


def bring_up_to_date(connection: Connection, address: Address) -> None:
    """Create the schema in an empty database, or migrate an older one, in the transaction that is open.

    Raises:
        sqlite3.Error: The database cannot be written.
        StoreUnavailable: The database belongs to another program.
        StoreTooNew: The schema is newer than this version.
    """
    found = stored_revision(connection, address)
    if found is None:
        for statement in rendered.SCHEMA:
            connection.run(statement)
        connection.run(rendered.NEW_REVISION, {"version_num": NEWEST_REVISION})
    elif found != NEWEST_REVISION:
        from cloacina.store.migrations.upgrade import upgrade  # noqa: PLC0415 - Alembic is slow to import, rarely needed

        upgrade(connection.alchemy)
    else:
        # Changes nothing, and fails when the file cannot be written: BEGIN IMMEDIATE alone would be content to read.
        connection.run(rendered.NO_REVISION)
