"""The statement of each kind of change: SQL text with positional binds, which is rendered beforehand from the tables.

Building and executing a statement object for each change costs several times what the database does with it, so the
writer hands these texts straight to the database's driver.

A statement takes many rows. The driver gives up the interpreter's lock for each execution, and a busy event loop takes
it: the writer then waits for it up to 5 ms, so one execution a row made 400 rows take half a second instead of 1 ms.
"""

from __future__ import annotations

from itertools import starmap
from typing import Final

from cloacina.store.rendered import KINDS


class Statement:
    """The SQL of one kind of change, for any number of rows.

    Args:
        width: How many parameters a row has.
        one_row: The SQL for a single row.
        rows: The SQL for rows, with the place-holders of one row; None when that is the same.

    Attributes:
        width: How many parameters a row has.
        one_row: The SQL that takes the parameters of a single row.
    """

    def __init__(self, width: int, one_row: str, rows: str | None = None) -> None:
        self.width = width
        self.one_row = one_row
        self._rows = one_row if rows is None else rows
        self._row = "(" + ", ".join("?" * width) + ")"
        self._texts: dict[int, str] = {}

    def for_rows(self, count: int) -> str:
        """Return the SQL that takes the parameters of `count` rows, one row after the other."""
        if count == 1:
            return self.one_row
        text = self._texts.get(count)
        if text is None:
            text = self._texts[count] = self._rows.replace(self._row, ", ".join([self._row] * count))
        return text


STATEMENTS: Final = tuple(starmap(Statement, KINDS))
"""The statement of every kind of change, in the order in which they run in a transaction."""
