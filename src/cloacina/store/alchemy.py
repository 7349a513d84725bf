"""SQLAlchemy on connections that are open already. Importing it is slow, so this is imported when first needed."""

from __future__ import annotations

import sqlite3
import threading
from typing import Any

from sqlalchemy import Connection, NullPool, create_engine, event


class _Handed(threading.local):
    """The connection that a thread hands over."""

    driver: Any = None


_handed = _Handed()
# Of a pool that pools nothing and resets nothing: whoever has opened a connection looks after it.
_engine = create_engine("sqlite://", creator=lambda: _handed.driver, poolclass=NullPool, pool_reset_on_return=None)


@event.listens_for(_engine, "begin")
def _begin(connection: Connection) -> None:
    driver: Any = connection.connection.driver_connection
    if not driver.in_transaction:
        driver.execute("BEGIN")


def wrap(driver: sqlite3.Connection) -> Connection:
    """Return a connection of SQLAlchemy to what a connection of the driver is connected to, in its transaction."""
    _handed.driver = driver
    try:
        return _engine.connect()
    finally:
        _handed.driver = None


# SQLAlchemy gets to know the database by the first connection, and rolls back what it has asked: not on one in use.
wrap(sqlite3.connect(":memory:")).close()
