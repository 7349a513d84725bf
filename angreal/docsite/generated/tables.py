"""Tables in Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, with an empty line behind it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell(text) for text in line)} |" for line in lines) + "\n"


def cell(text: str) -> str:
    """Return text as it has to be written in a cell: on one line, and without a bar that ends the cell.

    A bar in code ends no cell, and a backslash before it would be shown.
    """
    parts = re.split(r"(`[^`]*`)", " ".join(text.split()).replace("\\|", "|"))
    return "".join(part if part.startswith("`") else part.replace("|", "\\|") for part in parts)
