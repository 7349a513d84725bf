"""The distributions that were installed into a folder, held against those that had to be."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from cloacina.errors import HashMismatch
from cloacina.packaging.vendoring.record import read_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cloacina.packaging.locking import SelectedWheel
    from cloacina.packaging.targets import Target


@dataclass(frozen=True, slots=True)
class Distribution:
    """A distribution that was installed.

    Attributes:
        name: Its normalised name.
        version: Its version, as its metadata has it.
        folder: The name of its `.dist-info` folder.
        listed: The sha256 of each file in its RECORD, or None for a file without one.
        license_expression: What its metadata says, if anything.
    """

    name: str
    version: str
    folder: str
    listed: Mapping[str, str | None]
    license_expression: str | None

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def record(self) -> str:
        """The path of its RECORD."""
        return f"{self.folder}/RECORD"


def read_distributions(folder: Path, target: Target, wheels: Sequence[SelectedWheel]) -> tuple[Distribution, ...]:
    """Return the distributions in a folder, sorted by name.

    Raises:
        HashMismatch: They are not exactly those that had to be installed, or one cannot be read.
    """
    found = tuple(
        sorted((_read(path) for path in folder.glob("*.dist-info")), key=lambda distribution: distribution.name)
    )
    expected = sorted((canonicalize_name(wheel.name), _version(wheel.version)) for wheel in wheels)
    if [(each.name, _version(each.version)) for each in found] != expected:
        raise HashMismatch(
            f"uv installed other dependencies for {target.name} than the lock names: {_names(found) or 'none'}. "
            f"Expected {', '.join(f'{name} {version}' for name, version in expected) or 'none'}. Run `uv cache clean` "
            "and build again"
        )
    return found


def owners_of(distributions: Iterable[Distribution]) -> Mapping[str, Sequence[Distribution]]:
    """Return which distributions list each path, sorted by name."""
    owners: defaultdict[str, list[Distribution]] = defaultdict(list)
    for distribution in distributions:
        for path in distribution.listed:
            owners[path].append(distribution)
    return owners


def _read(folder: Path) -> Distribution:
    try:
        # Not importlib.metadata: it parses descriptions of hundreds of kilobytes for three lines at their top.
        metadata = HeaderParser().parsestr((folder / "METADATA").read_text(encoding="utf-8"), headersonly=True)
        name, version = metadata["Name"], metadata["Version"]
        listed = read_record((folder / "RECORD").read_text(encoding="utf-8"))
        return Distribution(
            canonicalize_name(name), str(Version(version)), folder.name, listed, metadata["License-Expression"]
        )
    except (OSError, ValueError, TypeError, InvalidVersion) as error:
        raise HashMismatch(
            f"{folder.name} cannot be read after its installation: {type(error).__name__}. Expected METADATA with Name "
            f"and Version, and a RECORD. Run `uv cache clean {folder.name.partition('-')[0]}` and build again"
        ) from error


def _version(text: str) -> str:
    return str(Version(text))


def _names(distributions: Iterable[Distribution]) -> str:
    return ", ".join(map(str, distributions))
