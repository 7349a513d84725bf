"""Group commit: many units of changes in one transaction, each of them whole or not at all."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from cloacina.store import forks
from cloacina.store.changes import EVENT, STATES
from cloacina.store.faults import Fault, Patience, fault_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cloacina.store.changes import Unit
    from cloacina.store.statements import Statement
    from cloacina.store.syncing import Syncing

_KINDS = EVENT + 1
# At most 14 parameters a row: below the 999 that older builds of SQLite take.
_ROWS_PER_STATEMENT = 64

Write: TypeAlias = "Callable[[Sequence[Unit]], Mapping[int, Exception]]"
"""Writes units inside of a transaction, and returns the errors of those that were refused."""


class RowMissing(Exception):
    """Raised when the row of a state does not exist: the change would be lost in silence."""


class _Cursor(Protocol):
    """What executes a statement: the driver's cursor, or one that counts."""

    def execute(self, statement: str, parameters: Sequence[Any], /) -> object: ...


class _CountingCursor:
    """Counts the rows that statements change, without what triggers of somebody else change besides."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.changed = 0

    def execute(self, statement: str, parameters: Sequence[Any], /) -> None:
        self._cursor.execute(statement, parameters)
        self.changed += self._cursor.execute("SELECT changes()").fetchone()[0]


def _row_missing(written: int, changed: int) -> RowMissing:
    return RowMissing(f"{written - changed} of {written} rows to change do not exist; somebody has deleted them")


class GroupCommit:
    """Writes units of changes on the connection of the database's driver.

    Args:
        connection: The driver's connection, in autocommit mode.
        statements: The SQL of every kind of change.
        syncing: Decides which transactions of the connection wait for the disk.
        retry_for: How long a transaction is tried again while the database is locked or has no room, in seconds.
    """

    def __init__(self, connection: Any, statements: Sequence[Statement], syncing: Syncing, retry_for: float) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._statements = tuple(statements)
        self._syncing = syncing
        self._retry_for = retry_for

    def commit(self, units: Sequence[Unit], *, is_told: bool = True) -> Mapping[int, Exception]:
        """Write units in one transaction and commit it.

        A unit that the database refuses takes nothing with it: the others are written without it.

        Args:
            units: The units.
            is_told: Whether somebody waits to be told of the commit.

        Returns:
            The errors of the units that were refused, by their index.

        Raises:
            Exception: The database cannot be written, or it is not the one that the statements were made for; nothing
                of these units is stored.
        """
        if not any(units):
            return {}
        self._syncing.before_commit(is_told=is_told)
        try:
            return self._transact(self._write_together, units)
        except Exception as error:
            if fault_of(error) is not Fault.REFUSED:
                raise
        return self._transact(self._write_apart, units)

    def _transact(self, write: Write, units: Sequence[Unit]) -> Mapping[int, Exception]:
        patience: Patience | None = None
        while True:
            try:
                with forks.uses_of_sqlite:
                    refused = self._write_and_commit(write, units)
            except Exception as error:  # noqa: BLE001 - raised again, if another try does not help
                patience = patience or Patience(self._retry_for)
                patience.pause_after(error)
            else:
                return refused

    def _write_and_commit(self, write: Write, units: Sequence[Unit]) -> Mapping[int, Exception]:
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
            refused = write(units)
            self._cursor.execute("COMMIT")
        except Exception:
            self._roll_back()
            raise
        return refused

    def _write_together(self, units: Sequence[Unit]) -> Mapping[int, Exception]:
        # The cursor's own count is missing for a statement that begins with WITH.
        before = self._connection.total_changes
        written = self._write(units, self._cursor)
        changed = self._connection.total_changes - before
        if changed != written:
            raise _row_missing(written, changed)
        return {}

    def _write(self, units: Sequence[Unit], cursor: _Cursor) -> int:
        """Write units; return how many rows that has to change."""
        rows_by_kind: list[list[tuple[Any, ...]]] = [[] for _ in range(_KINDS)]
        for unit in units:
            for kind, parameters, _ in unit:
                rows_by_kind[kind].append(parameters)
        written = 0
        for kind, rows in enumerate(rows_by_kind):
            if not rows:
                continue
            if kind in STATES and len(rows) > 1:
                # Nobody outside sees a state that another one replaces in the same transaction.
                rows = list({parameters[-1]: parameters for parameters in rows}.values())  # noqa: PLW2901 - what is left of them
            self._execute(self._statements[kind], rows, cursor)
            written += len(rows)
        return written

    def _execute(self, statement: Statement, rows: Sequence[tuple[Any, ...]], cursor: _Cursor) -> None:
        if len(rows) == 1:
            cursor.execute(statement.one_row, rows[0])
            return
        start = 0
        while start < len(rows):
            # Powers of two: few statements, so all of them stay prepared.
            count = min(_ROWS_PER_STATEMENT, 1 << (len(rows) - start).bit_length() - 1)
            parameters = list(chain.from_iterable(rows[start : start + count]))
            cursor.execute(statement.for_rows(count), parameters)
            start += count

    def _write_apart(self, units: Sequence[Unit]) -> Mapping[int, Exception]:
        self._check_statements()
        refused: dict[int, Exception] = {}
        for index, unit in enumerate(units):
            self._cursor.execute("SAVEPOINT unit")
            try:
                counting = _CountingCursor(self._cursor)
                written = self._write((unit,), counting)
                if counting.changed != written:
                    raise _row_missing(written, counting.changed)
            except Exception as error:
                if fault_of(error) is not Fault.REFUSED:
                    raise
                self._cursor.execute("ROLLBACK TO unit")
                refused[index] = error
            self._cursor.execute("RELEASE unit")
        return refused

    def _check_statements(self) -> None:
        """Fail when the database understands a statement no more, as when a table is gone: no unit is to blame."""
        for statement in self._statements:
            self._cursor.execute(f"EXPLAIN {statement.one_row}", (None,) * statement.width)

    def _roll_back(self) -> None:
        # After some errors SQLite has rolled the transaction back on its own.
        if self._connection.in_transaction:
            self._cursor.execute("ROLLBACK")
