"""The [tool.cloacina] table: the entry module, the platforms and Pythons to build for, and which files are packed."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from cloacina.errors import join_names
from cloacina.packaging.archive.standard_library import standard_library_names
from cloacina.packaging.project.patterns import what_is_wrong_with
from cloacina.packaging.project.table import describe, did_you_mean, toml_string
from cloacina.packaging.targets import DEFAULT_PLATFORMS, PLATFORMS, PYTHONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
from cloacina.packaging.project.table import Table

KEYS: Final = ("entry_module", "include", "exclude", "targets", "python")


_STANDARD_LIBRARY: Final = frozenset[str]().union(*(standard_library_names((3, minor)) for minor in range(11, 15)))
_MINOR: Final = re.compile(r"3\.(?:1[1-9]|[2-9]\d)")
_PATCH: Final = re.compile(r"(3\.\d+)(?:\.\d+)+")
_PATCHES: Final = 100  # more than any minor version of Python has had
_OTHER_SPELLINGS: Final = (
    ("aarch64", "arm64"),
    ("amd64", "x86_64"),
    ("x64", "x86_64"),
    ("musllinux", "linux-musl"),
    ("manylinux", "linux"),
    ("darwin", "macos"),
    ("osx", "macos"),
    ("win32", "windows"),
    ("win_", "windows-"),
    ("win-", "windows-"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is read of the [tool.cloacina] table."""

    entry_module: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    platforms: tuple[str, ...]
    pythons: tuple[str, ...]


def read_settings(table: Table, source_root: Path, requires_python: str) -> Settings:
    """Read the [tool.cloacina] table; what is wrong with it is added to its problems.

    Args:
        table: The table.
        source_root: The folder in which modules are looked for.
        requires_python: The Pythons that the project runs with; empty when that could not be read.
    """
    table.refuse_unknown_keys(KEYS)
    return Settings(
        entry_module=_entry_module(table, source_root),
        include=_patterns(table, "include", "pipeline/*.csv"),
        exclude=_patterns(table, "exclude", "*.draft.py"),
        platforms=_platforms(table),
        pythons=_pythons(table, requires_python),
    )


def _entry_module(table: Table, source_root: Path) -> str:
    name = table.string("entry_module", "pipeline.tasks")
    if name is None:
        if "entry_module" not in table:
            example = 'entry_module = "pipeline.tasks"'
            table.problem("entry_module", f"is missing. Add the module that declares the tasks, such as {example}.")
        return ""
    dotted = _dotted(name)
    parts = dotted.split(".")
    expected = f"expected {toml_string(dotted)}" if dotted != name and _is_module(parts) else None
    if not _is_module(parts) or expected:
        table.problem(
            "entry_module",
            f"is {toml_string(name)}, which is no module's name; "
            + (expected or 'expected names with dots between them, such as "pipeline.tasks"')
            + ".",
        )
    elif parts[0] == "src" and source_root.name == "src" and not (source_root / "src").exists():
        shorter = toml_string(".".join(parts[1:]) or "pipeline.tasks")
        table.problem("entry_module", f"is {toml_string(name)}; modules are looked for in src/: expected {shorter}.")
    elif parts[0] == "cloacina" or parts[0] in _STANDARD_LIBRARY:
        owner = "Cloacina itself" if parts[0] == "cloacina" else "a module of the standard library"
        table.problem("entry_module", f"is {toml_string(name)}, and {parts[0]} is {owner}. Rename your module.")
    return name


def _dotted(name: str) -> str:
    """Return the module's name that is meant by a path, or by an address such as `module:workflow`."""
    dotted = name.strip().partition(":")[0].replace("\\", "/").removeprefix("./")
    if "/" in dotted or dotted.endswith(".py"):
        dotted = dotted.removesuffix(".py").removesuffix("/__init__").strip("/").removeprefix("src/")
    return dotted.replace("/", ".")


def _is_module(parts: list[str]) -> bool:
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in parts)


def _patterns(table: Table, key: str, example: str) -> tuple[str, ...]:
    patterns = table.strings(key, example) or ()
    for pattern in patterns:
        if reason := what_is_wrong_with(pattern):
            table.problem(key, f'holds {toml_string(pattern)}, {reason}; expected a pattern such as "{example}".')
    return patterns


def _platforms(table: Table) -> tuple[str, ...]:
    platforms = _chosen(table, "targets", table.strings("targets", PLATFORMS[0]))
    if platforms is None:
        return tuple(sorted(DEFAULT_PLATFORMS))
    for platform in platforms:
        if platform not in PLATFORMS:
            advice = did_you_mean(_usual_spelling(platform), PLATFORMS)
            table.problem("targets", f"holds {toml_string(platform)}, which is no platform; {advice}")
    return tuple(sorted(set(platforms)))


def _pythons(table: Table, requires_python: str) -> tuple[str, ...]:
    is_allowed = _allowed(requires_python)
    given = _given_pythons(table)
    if given is None:
        if "python" not in table:
            for python in PYTHONS:
                if is_allowed(python):
                    return (python,)
            table.problem(
                "python",
                f"is missing, and requires-python {toml_string(requires_python)} allows none of {join_names(PYTHONS)},"
                " of which the lowest is taken by default.",
            )
        return ()
    for python in given:
        if not _MINOR.fullmatch(python):
            match = _PATCH.fullmatch(python)
            example = match[1] if match and _MINOR.fullmatch(match[1]) else PYTHONS[0]
            table.problem(
                "python",
                f"holds {toml_string(python)}; expected a minor version of Python 3.11 or newer,"
                f" such as {toml_string(example)}.",
            )
        elif not is_allowed(python):
            outside = f"which requires-python {toml_string(requires_python)} excludes"
            table.problem("python", f"holds {toml_string(python)}, {outside}. Change one of the two.")
    return tuple(sorted(set(given), key=lambda python: [int(part) for part in python.split(".") if part.isdigit()]))


def _given_pythons(table: Table) -> tuple[str, ...] | None:
    value: object = table.values.get("python")
    if isinstance(value, str):  # one may stand without brackets
        return (value,)
    if isinstance(value, float):
        example = str(value) if _MINOR.fullmatch(str(value)) else PYTHONS[0]
        table.problem("python", f'is {describe(value)}; expected a string in quotes, such as python = "{example}".')
        return None
    return _chosen(table, "python", table.strings("python", PYTHONS[0]))


def _chosen(table: Table, key: str, values: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if values == () and table.values.get(key) == []:
        table.problem(key, "is empty, so there is nothing to build for. Name at least one, or leave the key out.")
    return values


def _allowed(requires_python: str) -> Callable[[str], bool]:
    """Return whether a minor version has a release that the project runs with."""
    try:
        specifiers = SpecifierSet(requires_python)
    except InvalidSpecifier:
        specifiers = SpecifierSet()

    def is_allowed(python: str) -> bool:
        return any(specifiers.contains(f"{python}.{patch}", prereleases=True) for patch in range(_PATCHES))

    return is_allowed


def _usual_spelling(platform: str) -> str:
    usual = platform.strip().lower().replace(" ", "-")
    for other, ours in _OTHER_SPELLINGS:
        usual = usual.replace(other, ours)
    return usual
