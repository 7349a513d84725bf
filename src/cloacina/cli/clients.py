"""Opening the database of a command that asks for something, and finding the execution that it names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cloacina.errors import StoreUnavailable

if TYPE_CHECKING:
    from cloacina.client import Client
    from cloacina.store.lookup import Target

DEFAULT_DATABASE = "cloacina.db"


def address_of(database: str) -> str | Path:
    """Return the address that `--database` gives: a URL, or the path of a file."""
    return database if "://" in database else Path(database)


def open_client(database: str, *, is_made: bool = False) -> Client:
    """Return a client, to be entered.

    Args:
        database: What `--database` gives.
        is_made: Whether a database that is not there is made. To whoever asks about an execution, an empty one would
            say that it is unknown, where its name is wrong.

    Raises:
        StoreError: There is no such database.
    """
    # Slow to import: wrong input is refused before that.
    from cloacina.client import Client  # noqa: PLC0415
    from cloacina.store.address import Address  # noqa: PLC0415 - as above

    address = address_of(database)
    client = Client(address)
    path = Address.parse(address).path
    if not is_made and path is not None and not path.exists():
        raise StoreUnavailable(f"There is no database {path}; name the one that its runner uses with --database.")
    return client


def execution_named(argument: str) -> Target:
    """Return what names an execution: its id, or its workflow and key, as `order/order-17` gives them."""
    workflow, slash, key = argument.partition("/")
    return (workflow, key) if slash else argument
