"""Bringing an older schema up to date. Imports Alembic, so it is imported only when there is something to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config

if TYPE_CHECKING:
    from sqlalchemy import Connection


def alembic_config(connection: Connection | None = None) -> Config:
    """Return the configuration of the migrations; `connection` is the one that they run on."""
    config = Config()
    # The separator of Alembic's options is a percent sign's interpolation away from a path that holds one.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, to: str = "head") -> None:
    """Migrate the schema, in the transaction that is open on the connection."""
    command.upgrade(alembic_config(connection), to)
