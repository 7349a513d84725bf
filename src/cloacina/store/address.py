"""Reading the address of a database: `sqlite:///file.db`, `sqlite://` or a path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cloacina.errors import UnsupportedDatabase

# What has nothing in it that would have to be decoded.
_PLAIN = re.compile(r"sqlite:///([^?#%@:]+)")
_FORMS = "sqlite:///file.db (relative), sqlite:////folder/file.db (absolute), sqlite:// (in memory) or a path"


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
            url: A SQLite URL, or the path of a file: a `pathlib.Path`, or a text without a colon.

        Raises:
            UnsupportedDatabase: The address names another kind of database, or cannot be read.
        """
        if isinstance(url, Path) or (url and ":" not in url):  # No scheme is without a colon.
            return cls(Path(url).resolve())
        if (plain := _PLAIN.fullmatch(str(url))) is not None:
            return cls(Path(plain[1]).resolve())
        return cls._parse(str(url))

    @classmethod
    def _parse(cls, url: str) -> Address:
        from sqlalchemy import make_url  # noqa: PLC0415 - its import takes half a second, for addresses that few have
        from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - as above

        # A password must not reach a log, not even that of an address which is refused.
        shown = re.sub(r"//[^@]*@", "//***@", url)
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError) as error:
            raise UnsupportedDatabase(f"{shown!r} is not the address of a database; expected {_FORMS}.") from error
        if parsed.drivername != "sqlite":
            raise UnsupportedDatabase(f"Only SQLite is supported by this version, found {shown!r}; use {_FORMS}.")
        if parsed.host is not None:
            raise UnsupportedDatabase(
                f"{shown!r} names a host; the path of a file comes after three slashes: {_FORMS}."
            )
        if parsed.query:
            raise UnsupportedDatabase(f"{shown!r} has options after '?', which are not supported; use {_FORMS}.")
        if parsed.database == "":
            raise UnsupportedDatabase(f"{shown!r} names no file; use {_FORMS}.")
        if parsed.database is None or parsed.database == ":memory:":
            return cls(None)
        return cls(Path(parsed.database).resolve())
