"""Reading the address of a database: `sqlite:///file.db`, `sqlite://` or a path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from cloacina.errors import UnsupportedDatabase

_FORMS = "sqlite:///file.db (relative), sqlite:////folder/file.db (absolute), sqlite:// (in memory) or a pathlib.Path"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is."""

    path: Path | None
    """The absolute path of the file, with symbolic links followed; None for a database in memory."""

    def __str__(self) -> str:
        return "the database in memory" if self.path is None else str(self.path)

    @classmethod
    def parse(cls, url: str | Path) -> Address:
        """Read an address.

        Args:
            url: A SQLite URL, or the path of a file.

        Raises:
            UnsupportedDatabase: The address names another kind of database, or cannot be read.
        """
        if isinstance(url, Path):
            return cls(url.resolve())
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise UnsupportedDatabase(f"{url!r} is not the address of a database; expected {_FORMS}.") from error
        if parsed.drivername != "sqlite":
            # A password in the address must not reach a log.
            found = parsed.render_as_string(hide_password=True)
            raise UnsupportedDatabase(f"Only SQLite is supported by this version, found {found!r}; use {_FORMS}.")
        if parsed.host is not None:
            raise UnsupportedDatabase(
                f"{url!r} names a host, which SQLite has not; a file takes three slashes: {_FORMS}."
            )
        if parsed.query:
            raise UnsupportedDatabase(f"{url!r} has options after '?', which are not supported; use {_FORMS}.")
        if parsed.database == "":
            raise UnsupportedDatabase(f"{url!r} names no file; use {_FORMS}.")
        if parsed.database is None or parsed.database == ":memory:":
            return cls(None)
        return cls(Path(parsed.database).resolve())
