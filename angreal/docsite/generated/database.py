"""The reference of the database, written from the tables that the engine creates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.dialects import sqlite

from cloacina.store.tables import metadata
from docsite.generated.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Column, Table


def database_reference(_docs: Path) -> str:
    """Return every table with its columns, constraints and indexes, as Markdown."""
    return "\n".join(line for described in metadata.sorted_tables for line in _lines(described))


def _lines(described: Table) -> Iterator[str]:
    yield f"## `{described.name}`\n"
    if described.comment:
        yield f"{described.comment}\n"
    yield table(
        ("Column", "Type", "May be null", "Holds"),
        (
            (f"`{column.name}`", _type(column), "yes" if column.nullable else "no", _holds(column))
            for column in described.columns
        ),
    )
    for constraint in sorted(described.constraints, key=lambda one: str(one.name)):
        if isinstance(constraint, UniqueConstraint):
            yield f"- unique: {_names(constraint.columns)}"
        elif isinstance(constraint, ForeignKeyConstraint):
            target = constraint.elements[0].target_fullname
            yield f"- {_names(constraint.columns)} refers to `{target}`"
    for index in sorted(described.indexes, key=lambda one: str(one.name)):
        condition = index.dialect_options["sqlite"]["where"]
        where = (
            f", where `{condition.compile(compile_kwargs={'literal_binds': True})}`" if condition is not None else ""
        )
        yield f"- index `{index.name}`: {_names(index.columns)}{where}"
    yield ""


def _type(column: Column[Any]) -> str:
    return str(column.type.compile(dialect=sqlite.dialect()))


def _holds(column: Column[Any]) -> str:
    facts = ["the primary key"] if column.primary_key else []
    facts += [column.comment] if column.comment else []
    return "; ".join(facts)


def _names(columns: Any) -> str:
    return ", ".join(f"`{column.name}`" for column in columns)
