"""A project's dependencies: locked with `uv lock`, and read from the lock for the targets of a package."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.pylock import Pylock, PylockValidationError

from cloacina.errors import DependencyNotPackageable, HashMismatch, UvFailed, join_names
from cloacina.packaging.locking.gaps import missing_wheels
from cloacina.packaging.locking.indexes import configured_indexes
from cloacina.packaging.locking.lock_documents import LockedPackage, LockedWheel, render_pylock, render_requirements
from cloacina.packaging.locking.lock_file import (
    FILE_NAME,
    LockChange,
    compare_lock_files,
    files_without_hash,
    parse_lock_file,
    read_lock_file,
    restore_lock_file,
    supported_markers,
)
from cloacina.packaging.locking.uv import run_uv
from cloacina.packaging.locking.wheel_selection import SelectedWheel, TargetSelection, select_wheels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Set as AbstractSet

    from packaging.pylock import Package

    from cloacina.packaging.locking.uv import Uv
    from cloacina.packaging.project import Project
    from cloacina.packaging.targets import Target

# --locked refuses a stale lock, where --frozen would export it in silence. What only the engine needs is not packed:
# whoever runs a package brings the engine along.
_EXPORT: Final = (
    "export",
    "--locked",
    "--format=pylock.toml",
    "--prune=cloacina",
    "--no-default-groups",
    "--no-emit-project",
    "--no-header",
)
_SHA256: Final = "sha256"


@dataclass(frozen=True, slots=True)
class Lock:
    """What a package's dependencies are, for each of its targets.

    Attributes:
        requirements: The text of requirements.lock: versions and hashes, no addresses.
        pylock: The text of pylock.toml: the same as PEP 751 has it.
        wheels: What each target gets, sorted by name.
        python_versions: The release of Python that each target begins with, such as `3.11.0`; for uv's
            `--python-version`. It is later than the first where requires-python says so.
    """

    requirements: str
    pylock: str
    wheels: Mapping[Target, tuple[SelectedWheel, ...]]
    python_versions: Mapping[Target, str] = field(default_factory=dict["Target", str])


def update_lock(project: Project, uv: Uv, *, offline: bool = False, upgrade: bool = False) -> LockChange:
    """Lock the project's dependencies: make uv.lock fit pyproject.toml.

    Versions that are locked and still fit are kept. A failure, or Ctrl+C, leaves uv.lock as it was.

    Args:
        project: The project.
        uv: What resolves.
        offline: Whether to resolve from uv's cache only.
        upgrade: Whether to choose the newest versions that the requirements allow.

    Raises:
        DependencyError: The dependencies cannot be locked; the subclass says why.
        InvalidProject: uv cannot read pyproject.toml.
    """
    path = find_lock_file(project, uv)
    before = read_lock_file(path)
    try:
        run_uv(uv, ["lock", *(["--upgrade"] if upgrade else [])], folder=project.root, offline=offline)
    except BaseException:
        restore_lock_file(path, before)
        raise
    return compare_lock_files(path, before, read_lock_file(path))


def export_lock(project: Project, uv: Uv, targets: Sequence[Target], *, offline: bool = False) -> Lock:
    """Read from uv.lock what each target gets. Nothing is written, and no wheel is downloaded.

    Args:
        project: The project.
        uv: What reads the lock.
        targets: What the package is built for, at least one.
        offline: Whether uv may use its cache only.

    Raises:
        StaleLock: There is no uv.lock, or it does not fit pyproject.toml.
        DependencyNotPackageable: A dependency comes from a path, a repository or an address.
        UnsatisfiableDependencies: The project does not allow the Python or the platform of a target.
        MissingWheels: Some targets have no wheel of some dependencies; the message and `gaps` have all of them.
        HashMismatch: The lock has no hash of a wheel.
        DependencyError: uv has failed for another reason.
    """
    exported = run_uv(uv, _EXPORT, folder=project.root, offline=offline)
    pylock = _parse(exported)
    _refuse_other_sources(pylock.packages)
    lock_file = find_lock_file(project, uv)
    document = parse_lock_file(read_lock_file(lock_file) or b"")
    supported = supported_markers(document)
    selections = {target: select_wheels(pylock, target, supported) for target in sorted(targets)}
    if gaps := [gap for selection in selections.values() for gap in selection.gaps]:
        raise missing_wheels(gaps, tuple(selections))
    _refuse_missing_hashes(selections.values(), files_without_hash(document))
    packages = _locked_packages(pylock, selections.values())
    used = dict.fromkeys(
        package.index for selection in selections.values() for package, _ in selection.chosen if package.index
    )
    indexes = configured_indexes(used, dict.fromkeys((project.root, lock_file.parent)))
    return Lock(
        requirements=render_requirements(packages),
        pylock=render_pylock(packages, tuple(selections), requires_python=str(pylock.requires_python or "")),
        wheels={target: _selected(selection, indexes) for target, selection in selections.items()},
        python_versions={target: selection.python_version for target, selection in selections.items()},
    )


def find_lock_file(project: Project, uv: Uv) -> Path:
    """Return where the project's uv.lock is or will be: beside pyproject.toml, or in the root of its workspace.

    Raises:
        DependencyError: uv cannot tell.
        InvalidProject: uv cannot read a pyproject.toml.
    """
    return Path(run_uv(uv, ["workspace", "dir"], folder=project.root).strip()) / FILE_NAME


def _parse(exported: str) -> Pylock:
    try:
        return Pylock.from_dict(tomllib.loads(exported))
    except (ValueError, PylockValidationError) as error:
        raise UvFailed(
            f"uv has exported a lock that cannot be read: {error}. Install a tested version of uv"
        ) from error


def _refuse_other_sources(packages: Iterable[Package]) -> None:
    """Refuse dependencies that no index has.

    Raises:
        DependencyNotPackageable: There are some; the message names all.
    """
    found = {package.name: _source_of(package) for package in packages if package.is_direct}
    if not found:
        return
    described = "; ".join(f"{name} comes from {source}" for name, source in sorted(found.items()))
    raise DependencyNotPackageable(
        f"Packages hold wheels from an index, and {described}. Publish {join_names(sorted(found))} to an index, or move"
        f" the source into the project. [project] dependencies and [tool.uv.sources] in pyproject.toml say where a"
        f" dependency comes from"
    )


def _source_of(package: Package) -> str:
    if package.vcs is not None:
        return f"a {package.vcs.type} repository"
    if package.directory is not None:
        # The path is relative to the lock, so it tells nothing of the machine unless it leaves the project for good.
        path = package.directory.path
        return "a folder" if Path(path).is_absolute() else f"the folder {path}"
    return "a file" if package.archive is not None and package.archive.path else "an address"


def _refuse_missing_hashes(selections: Iterable[TargetSelection], unhashed: AbstractSet[tuple[str, str, str]]) -> None:
    """Refuse wheels for which the lock has no hash.

    Raises:
        HashMismatch: There are some; the message names their packages.
    """
    missing = {
        f"{package.name} {package.version}"
        for selection in selections
        for package, wheel in selection.chosen
        if (package.name, str(package.version), wheel.filename) in unhashed or _SHA256 not in wheel.hashes
    }
    if missing:
        raise HashMismatch(
            f"uv.lock has no SHA-256 of the wheels of {', '.join(sorted(missing))}, so nobody could tell whether a"
            f" wheel is the one that was locked. Use an index that gives hashes; a plain folder of wheels gives none"
        )


def _locked_packages(pylock: Pylock, selections: Iterable[TargetSelection]) -> tuple[LockedPackage, ...]:
    used: dict[tuple[str, str], dict[str, LockedWheel]] = {}
    for selection in selections:
        for package, wheel in selection.chosen:
            locked = LockedWheel(wheel.filename, wheel.hashes[_SHA256], wheel.size)
            used.setdefault((package.name, str(package.version)), {})[wheel.filename] = locked
    return tuple(
        LockedPackage(
            package.name,
            str(package.version),
            "" if package.marker is None else str(package.marker),
            tuple(wheels[name] for name in sorted(wheels)),
        )
        for package in sorted(pylock.packages, key=lambda package: (package.name, str(package.version)))
        if (wheels := used.get((package.name, str(package.version))))
    )


def _selected(selection: TargetSelection, indexes: Mapping[str, str]) -> tuple[SelectedWheel, ...]:
    return tuple(
        SelectedWheel(
            name=package.name,
            version=str(package.version),
            file_name=wheel.filename,
            sha256=wheel.hashes[_SHA256],
            index=indexes.get(package.index or "", ""),
        )
        for package, wheel in selection.chosen
    )
