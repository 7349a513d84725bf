"""TOML, JSON and YAML blocks are read as what they claim to be; SQL is run against the database of a real run.

The rows that a query returns may stand below it, with `--> ` before each::

    SELECT status, count(*) FROM task_executions GROUP BY status;
    --> Completed | 4
"""

from __future__ import annotations

import json
import sqlite3
import tomllib
from contextlib import closing
from typing import TYPE_CHECKING, Any

import yaml

from docsite.samples.blocks import SampleError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from docsite.samples.blocks import Block

_RESULT = "--> "

_READERS: Mapping[str, Callable[[str], Any]] = {"toml": tomllib.loads, "json": json.loads, "yaml": yaml.safe_load}


def read_data(block: Block) -> None:
    """Read a block of data.

    Raises:
        SampleError: When it is not what its fence says.
    """
    try:
        _READERS[block.language](block.source)
    except (ValueError, yaml.YAMLError) as error:
        raise SampleError(f"{block.where}: not valid {block.language}: {error}") from error


def run_sql(block: Block, database: Path) -> str | None:
    """Run a block of SQL, read-only, against a database.

    Args:
        block: The block, of one or more statements.
        database: An SQLite database that a run of the engine has written.

    Returns:
        The block with the rows that it really returns, None when it shows just those, or no rows at all.

    Raises:
        SampleError: When a statement fails.
    """
    shown = [line for line in block.source.splitlines() if line.startswith(_RESULT)]
    statements = [line for line in block.source.splitlines() if not line.startswith(_RESULT)]
    rows: list[str] = []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for statement in _split("\n".join(statements)):
            try:
                rows += [_RESULT + " | ".join(_text(value) for value in row) for row in connection.execute(statement)]
            except sqlite3.Error as error:
                raise SampleError(f"{block.where}: {error}\n{statement}") from error
    if not shown or shown == rows:
        return None
    return "\n".join([*statements, *rows]).strip("\n") + "\n"


def _split(script: str) -> list[str]:
    """Return the statements of a script."""
    statements: list[str] = []
    pending = ""
    for part in script.split(";"):
        pending += part
        if not pending.strip():
            continue
        if sqlite3.complete_statement(pending + ";"):
            statements.append(pending.strip())
            pending = ""
        else:
            pending += ";"
    return [*statements, pending.strip()] if pending.strip(" ;\n") else statements


def _text(value: object) -> str:
    return "NULL" if value is None else str(value)
