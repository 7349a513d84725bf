"""Which wheel of a dependency each target gets, and which targets have none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from packaging.specifiers import SpecifierSet
from packaging.utils import parse_wheel_filename

from cloacina.errors import UnsatisfiableDependencies, UvFailed
from cloacina.packaging.locking.gaps import Gap, reason_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from packaging.markers import Environment, Marker
    from packaging.pylock import Package, PackageWheel, Pylock
    from packaging.tags import Tag

    from cloacina.packaging.targets import Target

_MOST_PATCH_RELEASES: Final = 100
_NO_BUILD: Final = (-1, "")


@dataclass(frozen=True, slots=True, order=True)
class SelectedWheel:
    """The wheel that a target gets of a dependency.

    Attributes:
        name: The dependency's normalised name, such as `typing-extensions`.
        version: Its version.
        file_name: The wheel's file name.
        sha256: The wheel's digest, 64 hexadecimal digits.
        index: Where uv finds it: the address of the index that the lock names for it, for `wheels_by_index`. Never to
            be written or printed: it may hold credentials.
    """

    name: str
    version: str
    file_name: str
    sha256: str
    index: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class TargetSelection:
    """What one target gets.

    Attributes:
        python_version: The release of Python that the target begins with, such as `3.11.0`.
        chosen: The packages of the lock that the target needs, with the wheel that fits best.
        gaps: Those that it needs and has no wheel of.
    """

    python_version: str
    chosen: tuple[tuple[Package, PackageWheel], ...]
    gaps: tuple[Gap, ...]


def select_wheels(pylock: Pylock, target: Target, supported: Sequence[Marker] = ()) -> TargetSelection:
    """Choose the wheels of a target by its markers and its tags.

    Unlike `Pylock.select`, which ends at the first package that has no wheel, this finds all of them.

    Args:
        pylock: The lock, as uv exports it.
        target: Who gets the wheels.
        supported: The environments that the lock is for, any of them; all if there are none.

    Raises:
        UnsatisfiableDependencies: The lock is not for the target's Python, or not for its platform.
    """
    environment = marker_environment(target, str(pylock.requires_python or ""))
    python_version = environment["python_full_version"]
    supported = supported or pylock.environments or ()
    if supported and not any(marker.evaluate(_plain(environment)) for marker in supported):
        raise UnsatisfiableDependencies(
            f"uv.lock has no solution for {target.name}: [tool.uv] environments in pyproject.toml excludes it. Add it"
            f" there, or leave the target out"
        )
    ranks = {tag: rank for rank, tag in enumerate(target.tags())}
    chosen: dict[str, tuple[Package, PackageWheel]] = {}
    gaps: list[Gap] = []
    for package in pylock.packages:
        if package.marker is not None and not package.marker.evaluate(
            {**_plain(environment), "extras": frozenset(), "dependency_groups": frozenset()}, context="lock_file"
        ):
            continue
        if package.name in chosen:
            raise UvFailed(
                f"The lock has two versions of {package.name} for {target.name}: {chosen[package.name][0].version} and"
                f" {package.version}. Lock again with `cloacina lock --upgrade`"
            )
        best = _best_wheel(package.wheels or (), ranks)
        if best is None:
            gaps.append(Gap(package.name, str(package.version), target, reason_for(package.wheels or (), target)))
        else:
            chosen[package.name] = package, best
    return TargetSelection(python_version, tuple(chosen[name] for name in sorted(chosen)), tuple(gaps))


def marker_environment(target: Target, requires_python: str) -> Environment:
    """Return a target's marker variables, with the first release of its Python that a project allows.

    A project that requires `>=3.11.4` is built for Python 3.11 as of 3.11.4.

    Raises:
        UnsatisfiableDependencies: The project allows no release of the target's Python.
    """
    allowed = SpecifierSet(requires_python)
    releases = (f"{target.python}.{patch}" for patch in range(_MOST_PATCH_RELEASES))
    first = next((release for release in releases if allowed.contains(release, prereleases=True)), None)
    if first is None:
        raise UnsatisfiableDependencies(
            f"The project requires Python {requires_python}, and {target.name} is for Python {target.python}. Choose"
            f" another Python for the package, or change requires-python in pyproject.toml"
        )
    environment = target.environment()
    environment["python_full_version"] = environment["implementation_version"] = first
    return environment


def _plain(environment: Environment) -> dict[str, str]:
    return {name: str(value) for name, value in environment.items()}


def _best_wheel(wheels: Sequence[PackageWheel], ranks: Mapping[Tag, int]) -> PackageWheel | None:
    """Return the wheel whose tags fit best; of two equal ones the one with the higher build number."""
    best: tuple[tuple[int, tuple[int, str]], PackageWheel] | None = None
    for wheel in wheels:
        _, _, build, tags = parse_wheel_filename(wheel.filename)
        fitting = [ranks[tag] for tag in tags if tag in ranks]
        if not fitting:
            continue
        merit = -min(fitting), build or _NO_BUILD
        if best is None or merit > best[0]:
            best = merit, wheel
    return None if best is None else best[1]
