"""The [project] table: the package's name and version, the Pythons it runs with, and its requirements."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from cloacina.packaging.project.table import toml_string

if TYPE_CHECKING:
    from cloacina.packaging.project.table import Table

_FILE_NAME_PART: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_LONGEST: Final = 128  # characters, of a name and of a version


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is read of the [project] table; an empty text stands for what could not be read."""

    name: str
    version: str
    description: str | None
    requires_python: str
    dependencies: tuple[str, ...]


def read_metadata(table: Table) -> Metadata:
    """Read the [project] table; what is wrong with it is added to its problems."""
    return Metadata(
        name=_name(table),
        version=_version(table),
        description=_description(table),
        requires_python=_requires_python(table),
        dependencies=_dependencies(table),
    )


def _name(table: Table) -> str:
    name = table.string("name", "sales-report")
    if name is None:
        _refuse_missing(table, "name", "sales-report")
        return ""
    if not _FILE_NAME_PART.fullmatch(name) or len(name) > _LONGEST:
        table.problem(
            "name",
            f"is {toml_string(name)}, which cannot be part of a file's name; expected up to {_LONGEST} letters, digits,"
            " `-`, `_` and `.`, beginning and ending with a letter or digit.",
        )
    return name


def _version(table: Table) -> str:
    version = table.string("version", "1.0.0")
    if version is None:
        _refuse_missing(table, "version", "1.0.0")
        return ""
    shown = toml_string(version)
    try:
        Version(version)
    except InvalidVersion:
        table.problem("version", f'is {shown}, which is not a version; expected one such as "1.0.0" or "2.1rc1".')
        return ""
    if not _FILE_NAME_PART.fullmatch(version) or len(version) > _LONGEST:
        table.problem(
            "version",
            f"is {shown}, which cannot be part of a file's name; expected up to {_LONGEST} letters, digits, `-`, `_`"
            " and `.`, and so no `+` with a local part and no `!` with an epoch.",
        )
    return version


def _description(table: Table) -> str | None:
    description = table.string("description", "Counts what was sold.")
    return " ".join(description.split()) or None if description else None


def _requires_python(table: Table) -> str:
    requires_python = table.string("requires-python", ">=3.11")
    if requires_python is None:
        _refuse_missing(table, "requires-python", ">=3.11", "; without it, each machine locks for its own Python")
        return ""
    try:
        specifiers = SpecifierSet(requires_python)
    except InvalidSpecifier:
        table.problem(
            "requires-python",
            f'is {toml_string(requires_python)}, which is no specifier of versions; expected one such as ">=3.11".',
        )
        return ""
    if not specifiers:
        table.problem("requires-python", 'is empty; expected a specifier of versions such as ">=3.11".')
    return requires_python


def _dependencies(table: Table) -> tuple[str, ...]:
    if "dependencies" in _dynamic(table):
        table.problem("dependencies", "is in `dynamic`; write the list out, because nothing of the project is run.")
        return ()
    dependencies = table.strings("dependencies", "numpy>=2") or ()
    for dependency in dependencies:
        try:
            Requirement(dependency)
        except InvalidRequirement as error:
            reason = str(error).partition("\n")[0]
            table.problem(
                "dependencies",
                f"holds {toml_string(dependency)}, which is no requirement ({_lower(reason)});"
                ' expected one such as "numpy>=2".',
            )
    return dependencies


def _refuse_missing(table: Table, key: str, example: str, reason: str = "") -> None:
    """Keep the problem that a key is absent; where it has another type, that is a problem already."""
    line = f'{key} = "{example}"'
    if key in _dynamic(table):
        table.problem(key, f"is in `dynamic`; write it out, because nothing of the project is run: {line}.")
    elif key not in table:
        table.problem(key, f"is missing{reason}. Add a line such as {line}.")


def _dynamic(table: Table) -> list[object]:
    dynamic: object = table.values.get("dynamic")
    return cast("list[object]", dynamic) if isinstance(dynamic, list) else []


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
