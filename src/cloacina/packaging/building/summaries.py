"""What came of a step, in a few words: for progress displays and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloacina.packaging.discovery import Discovery
    from cloacina.packaging.locking import LockChange, SelectedWheel
    from cloacina.packaging.project import Project
    from cloacina.packaging.sources import SourceSelection
    from cloacina.packaging.targets import Target


def project_summary(project: Project, selection: SourceSelection) -> str:
    """Return what is packed of a project: `report 1.0, 3 files of source`."""
    return f"{project.name} {project.version}, {counted(len(selection.files), 'file')} of source"


def tasks_summary(discovery: Discovery) -> str:
    """Return what was discovered: `4 tasks of daily_report`."""
    of = f" of {discovery.workflow}" if discovery.workflow else ""
    return f"{counted(len(discovery.tasks), 'task')}{of}"


def lock_summary(change: LockChange) -> str:
    """Return what locking has changed: `uv.lock: 2 added, 1 changed`."""
    counts = {"added": change.added, "removed": change.removed, "changed": change.changed}
    told = ", ".join(f"{len(names)} {word}" for word, names in counts.items() if names)
    return f"uv.lock: {told or ('rewritten' if change.is_written else 'unchanged')}"


def wheels_summary(wheels: Mapping[Target, Sequence[SelectedWheel]]) -> str:
    """Return what the targets get: `12 dependencies, 18 wheels`."""
    names = {wheel.name for chosen in wheels.values() for wheel in chosen}
    files = {wheel.file_name for chosen in wheels.values() for wheel in chosen}
    if not names:
        return "no dependencies"
    return f"{counted(len(names), 'dependency', 'dependencies')}, {counted(len(files), 'wheel')}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: `1 file`, `1,200 files`."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
