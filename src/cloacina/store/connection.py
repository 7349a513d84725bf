"""A connection to the database: rendered statements go straight to its driver, and SQLAlchemy is loaded for all others.

Importing SQLAlchemy takes longer than everything else that a process does until its first workflow has ended. What each
process has to do is rendered beforehand; see `rendering`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Generator, Mapping, Sequence
    from types import TracebackType

    import sqlalchemy
    from sqlalchemy import CursorResult, Executable, ScalarResult


class Connection:
    """A connection that is handed out, used by one thread at a time, and given back.

    Args:
        driver: The driver's connection, in autocommit mode.
        give_back: Called with this connection when it is closed.

    Attributes:
        driver: The same.
    """

    __slots__ = ("_alchemy", "_give_back", "driver")

    def __init__(self, driver: sqlite3.Connection, give_back: Callable[[Connection], None]) -> None:
        self.driver = driver
        self._give_back = give_back
        self._alchemy: sqlalchemy.Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def run(self, statement: str, parameters: Mapping[str, Any] | Sequence[Any] = ()) -> sqlite3.Cursor:
        """Execute SQL text, in the transaction that is open, or in one of its own."""
        return self.driver.execute(statement, parameters)

    @property
    def alchemy(self) -> sqlalchemy.Connection:
        """SQLAlchemy's view of this connection, in the transaction that is open. It is neither committed nor closed."""
        if self._alchemy is None:
            from cloacina.store.alchemy import wrap  # noqa: PLC0415 - see the module's docstring

            self._alchemy = wrap(self.driver)
        if self.driver.in_transaction and not self._alchemy.in_transaction():
            self._alchemy.begin()
        return self._alchemy

    def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[*tuple[Any, ...]]:
        """Execute a statement of SQLAlchemy, which begins a transaction if none is open."""
        return self.alchemy.execute(statement, parameters)

    def scalar(self, statement: Executable) -> Any:
        """Execute a statement of SQLAlchemy, and return the first column of its first row; None without a row."""
        return self.alchemy.scalar(statement)

    def scalars(self, statement: Executable) -> ScalarResult[Any]:
        """Execute a statement of SQLAlchemy, and return the first column of its rows."""
        return self.alchemy.scalars(statement)

    @contextmanager
    def transaction(self, begin: str = "BEGIN IMMEDIATE") -> Generator[None]:
        """Open a transaction; commit it at the end of the block, or roll it back when that raises."""
        self.run(begin)
        try:
            yield
            self.commit()
        except BaseException:
            self.rollback()
            raise

    def commit(self) -> None:
        """Commit the transaction that is open, if one is."""
        if self.driver.in_transaction:
            self.run("COMMIT")
        self._begin_anew()

    def rollback(self) -> None:
        """Roll the transaction back that is open, if one is."""
        # After some errors SQLite has rolled it back on its own.
        if self.driver.in_transaction:
            self.run("ROLLBACK")
        self._begin_anew()

    def close(self) -> None:
        """Roll back what is not committed, and give the connection back."""
        self.rollback()
        self._give_back(self)

    def disconnect(self) -> None:
        """Close the driver's connection."""
        if self._alchemy is not None:
            self._alchemy.close()
        self.driver.close()

    def _begin_anew(self) -> None:
        """Let SQLAlchemy know that its transaction has ended: by then, its rollback finds nothing to roll back."""
        if self._alchemy is not None and self._alchemy.in_transaction():
            self._alchemy.rollback()
