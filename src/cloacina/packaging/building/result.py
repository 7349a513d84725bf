"""What a build has made, and what a build would make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cloacina.packaging.discovery import Discovery
    from cloacina.packaging.isolated.import_check import ImportCheck
    from cloacina.packaging.locking import LockChange, SelectedWheel
    from cloacina.packaging.project import Project
    from cloacina.packaging.sources import SourceSelection
    from cloacina.packaging.targets import Target


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What a build of a project would put into its package.

    Attributes:
        project: The project.
        output: Where the package would be written.
        targets: What it would be built for, sorted.
        discovery: The tasks that its source declares.
        selection: The files of the project that would be packed, and those that would not and why.
        wheels: What each target would get, or None if that is not known before the project is locked anew.
        stale_lock: Why it has to be locked anew; None if the lock is current.
    """

    project: Project
    output: Path
    targets: tuple[Target, ...]
    discovery: Discovery
    selection: SourceSelection
    wheels: Mapping[Target, tuple[SelectedWheel, ...]] | None
    stale_lock: str | None


@dataclass(frozen=True, slots=True)
class BuildResult:
    """A package that was built.

    Attributes:
        path: The file.
        name: The package's name.
        version: Its version.
        fingerprint: What identifies its content: 64 hexadecimal digits.
        packed_size: The size of the file in bytes.
        unpacked_size: The size in bytes of what it holds.
        targets: What it was built for, sorted.
        discovery: Its tasks.
        selection: The files of the project that it holds, and those that it does not and why.
        wheels: What each target has.
        lock_change: What locking has changed in `uv.lock`; None if the lock was taken as it was.
        import_checks: What was imported, and what was not and why.
        signed_by: The fingerprint of the key that signed it, or None.
        is_reproduced: Whether a second build in another folder gave the same bytes; None if there was none.
        notes: What was left out of the dependencies and matters, a sentence each.
    """

    path: Path
    name: str
    version: str
    fingerprint: str
    packed_size: int
    unpacked_size: int
    targets: tuple[Target, ...]
    discovery: Discovery
    selection: SourceSelection
    wheels: Mapping[Target, tuple[SelectedWheel, ...]]
    lock_change: LockChange | None
    import_checks: tuple[ImportCheck, ...]
    signed_by: str | None
    is_reproduced: bool | None
    notes: tuple[str, ...]
