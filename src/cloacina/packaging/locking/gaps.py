"""Wheels that are missing: why, and all of them in one table."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Final

from packaging.utils import parse_wheel_filename

from cloacina.errors import MissingWheels

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packaging.pylock import PackageWheel
    from packaging.tags import Tag

    from cloacina.packaging.targets import Target

_WIDTH: Final = 80
_ADVICE: Final = """\
`cloacina lock --upgrade` takes newer versions, which may have them. Otherwise
choose a version that does, leave the target out, or publish the wheel yourself"""
_WIDEST_PACKAGE: Final = 24
_BETWEEN: Final = "  "
_FLOORED: Final = re.compile(r"(?P<kind>manylinux|musllinux|macosx)_(?P<major>\d+)_(?P<minor>\d+)_(?P<machine>\w+)")
_LIBRARIES: Final = {"manylinux": "glibc", "musllinux": "musl", "macosx": "macOS"}
_INTERPRETER: Final = re.compile(r"(?P<kind>[a-z]+)(?P<major>\d)(?P<minor>\d*)")
_MOST_NAMES: Final = 5
_MACHINES: Final = (
    ("x86_64", "x86_64"),
    ("amd64", "x86_64"),
    ("aarch64", "arm64"),
    ("arm64", "arm64"),
    ("universal2", ""),
    ("win32", "x86"),
    ("i686", "x86"),
    ("armv7l", "armv7l"),
    ("ppc64le", "ppc64le"),
    ("s390x", "s390x"),
    ("riscv64", "riscv64"),
)
_SYSTEMS: Final = (
    ("manylinux", "Linux"),
    ("musllinux", "Linux with musl"),
    ("linux", "Linux"),
    ("macosx", "macOS"),
    ("win", "Windows"),
    ("ios", "iOS"),
    ("android", "Android"),
    ("emscripten", "Emscripten"),
    ("pyodide", "Emscripten"),
    ("any", "any platform"),
)


@dataclass(frozen=True, slots=True)
class Gap:
    """A dependency without a wheel for a target.

    Attributes:
        name: The dependency's name.
        version: Its version in the lock.
        target: The target that needs it.
        reason: Why there is none: it is `source only`, or what its wheels are for.
    """

    name: str
    version: str
    target: Target
    reason: str


def missing_wheels(gaps: Iterable[Gap], targets: Sequence[Target]) -> MissingWheels:
    """Return the error of all wheels that are missing, as a table that is 80 columns wide.

    Args:
        gaps: At least one.
        targets: All targets that were asked for.
    """
    ordered = sorted(gaps, key=lambda gap: (gap.name, gap.version, gap.target))
    rows: list[tuple[str, list[str], str]] = []
    for (name, version), of_package in groupby(ordered, key=lambda gap: (gap.name, gap.version)):
        by_reason: dict[str, list[str]] = {}
        for gap in of_package:
            by_reason.setdefault(gap.reason, []).append(gap.target.name)
        for reason, names in by_reason.items():
            is_all = len(names) == len(targets) > 1
            rows.append((f"{name} {version}", [f"all {len(names)} targets"] if is_all else names, reason))
    return MissingWheels(
        f"Packages are made of wheels, and {_count(ordered)}:\n\n{_table(rows)}\n\n{_ADVICE}",
        tuple((gap.name, gap.version, gap.target.name, gap.reason) for gap in ordered),
    )


def reason_for(wheels: Sequence[PackageWheel], target: Target) -> str:
    """Return why none of a dependency's wheels fits a target, in a few words."""
    tags = [tag for wheel in wheels for tag in parse_wheel_filename(wheel.filename)[3]]
    if not tags:
        return "source only"
    platforms = {tag.platform for tag in target.tags()}
    if of_platform := [tag for tag in tags if tag.platform in platforms]:
        return f"its wheels are for {_listed(_pythons(of_platform))}"
    loadable = {(tag.interpreter, tag.abi) for tag in target.tags()}
    of_python = [tag.platform for tag in tags if (tag.interpreter, tag.abi) in loadable]
    if floor := _lowest_floor(of_python, platforms):
        return f"its wheels need {floor}, and the target is {target.floor}"
    return f"its wheels are for {_listed(_systems(of_python or [tag.platform for tag in tags]))}"


def _count(gaps: Sequence[Gap]) -> str:
    packages = len({(gap.name, gap.version) for gap in gaps})
    return "one dependency has none for a target" if packages == 1 else f"{packages} dependencies lack some"


def _pythons(tags: Iterable[Tag]) -> list[str]:
    """Return the Pythons that tags are for, in words."""
    return [
        _python(interpreter, abi)
        for interpreter, abi in sorted({(tag.interpreter, tag.abi) for tag in tags}, key=_by_number)
    ]


def _python(interpreter: str, abi: str) -> str:
    match = _INTERPRETER.fullmatch(interpreter)
    if match is None:
        return interpreter
    version = f"{match['major']}.{match['minor']}" if match["minor"] else match["major"]
    name = {"cp": "CPython", "pp": "PyPy", "py": "Python"}.get(match["kind"], match["kind"])
    if abi == "abi3":
        return f"{name} {version} and later"
    return f"{name} {version}{' without GIL' if abi.endswith('t') and match['kind'] == 'cp' else ''}"


def _by_number(pair: tuple[str, str]) -> tuple[str, int, str]:
    digits = re.sub(r"\D", "", pair[0])
    return re.sub(r"\d", "", pair[0]), int(digits or 0), pair[1]


def _lowest_floor(platforms: Iterable[str], fitting: Iterable[str]) -> str | None:
    """Return the oldest system that wheels for the target's kind of platform need, if there are such wheels."""
    kinds = {(match["kind"], match["machine"]) for name in fitting if (match := _FLOORED.fullmatch(name))}
    needed = [
        (int(match["major"]), int(match["minor"]), match["kind"])
        for name in platforms
        if (match := _FLOORED.fullmatch(name)) and (match["kind"], match["machine"]) in kinds
    ]
    if not needed:
        return None
    major, minor, kind = min(needed)
    return f"{_LIBRARIES[kind]} {major}.{minor}"


def _systems(platforms: Iterable[str]) -> list[str]:
    """Return the kinds of systems that platform tags are for, in words; without the machines if those are many."""
    found: set[tuple[str, str]] = set()
    for platform in platforms:
        system = next((name for prefix, name in _SYSTEMS if platform.startswith(prefix)), platform)
        machine = next((words for tag, words in _MACHINES if platform.endswith(tag)), "")
        found.add((system, machine))
    if len(found) > _MOST_NAMES:
        return sorted({system for system, _ in found})
    return sorted(f"{system} {machine}".strip() for system, machine in found)


def _listed(names: Sequence[str]) -> str:
    names = list(dict.fromkeys(names))
    if len(names) > _MOST_NAMES:
        names = [*names[: _MOST_NAMES - 1], f"{len(names) - _MOST_NAMES + 1} others"]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _table(rows: Sequence[tuple[str, Sequence[str], str]]) -> str:
    heading = ("package", "no wheel for", "because")
    first = min(max(len(package) for package, _, _ in (*rows, heading)), _WIDEST_PACKAGE)
    second = max(len(name) for _, names, _ in (*rows, ("", [heading[1]], "")) for name in names)
    widths = (first, second, _WIDTH - first - second - 2 * len(_BETWEEN))
    lines = [_joined(heading, widths), _joined(["-" * width for width in widths], widths)]
    for package, names, reason in rows:
        cells = (textwrap.wrap(package, first), names, textwrap.wrap(reason, widths[2]))
        lines += (_joined(line, widths) for line in zip_longest(*cells, fillvalue=""))
    return "\n".join(lines)


def _joined(cells: Iterable[str], widths: Sequence[int]) -> str:
    return _BETWEEN.join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
