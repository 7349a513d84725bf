"""The part of a build that two machines have to do alike: from a project to a finished archive in a private folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from cloacina.errors import OutputNotWritable, PackageTampered, ProjectError
from cloacina.packaging.archive import Member, Package, read_package, write_archive
from cloacina.packaging.building.assembly import assemble
from cloacina.packaging.building.snapshot import take_snapshot
from cloacina.packaging.building.source_date import source_date_epoch
from cloacina.packaging.building.summaries import (
    counted,
    lock_summary,
    project_summary,
    tasks_summary,
    wheels_summary,
)
from cloacina.packaging.building.temporary import ADVICE
from cloacina.packaging.discovery import discover
from cloacina.packaging.locking import export_lock, find_uv, update_lock
from cloacina.packaging.manifest.models import MAXIMUM_TASKS
from cloacina.packaging.project import read_project
from cloacina.packaging.sizes import readable_size
from cloacina.packaging.sources import select_sources
from cloacina.packaging.vendoring import vendor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cloacina.packaging.building.assembly import Assembly
    from cloacina.packaging.building.progress import BuildProgress
    from cloacina.packaging.building.snapshot import Snapshot
    from cloacina.packaging.discovery import Discovery
    from cloacina.packaging.locking import Lock, LockChange, Uv
    from cloacina.packaging.project import Project
    from cloacina.packaging.sources import SourceSelection
    from cloacina.packaging.targets import Target
    from cloacina.packaging.vendoring import Site

_SHOWN_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What the caller of a build decides, and its project does not.

    Attributes:
        platforms: What to build for in place of the project's platforms, or None.
        pythons: What to build for in place of the project's Pythons, or None.
        locked: Whether to refuse a lock that does not fit pyproject.toml, and not to update it.
        offline: Whether to use uv's cache only.
        allow_untested_uv: Whether to use a version of uv that Cloacina was not tested with.
    """

    platforms: tuple[str, ...] | None = None
    pythons: tuple[str, ...] | None = None
    locked: bool = False
    offline: bool = False
    allow_untested_uv: bool = False

    def read(self, folder: Path) -> Project:
        """Read a project, with the targets that were chosen here.

        Raises:
            ProjectError: There is no project in the folder, or it is not valid.
        """
        project = read_project(folder)
        return replace(
            project,
            platforms=project.platforms if self.platforms is None else self.platforms,
            pythons=project.pythons if self.pythons is None else self.pythons,
        )


@dataclass(frozen=True, slots=True)
class Made:
    """A finished archive, and what went into it.

    Attributes:
        archive: The file, in the private folder.
        package: What it holds, read back from it.
        uv: What installed the dependencies.
        targets: What it was built for.
        selection: The files of the project in it, and those that are not and why.
        snapshot: The copies of these files that are in it.
        discovery: Its tasks.
        lock: What each target has.
        lock_change: What locking has changed; None if the lock was taken as it was.
        notes: What was left out of the dependencies and matters.
    """

    archive: Path
    package: Package
    uv: Uv
    targets: tuple[Target, ...]
    selection: SourceSelection
    snapshot: Snapshot
    discovery: Discovery
    lock: Lock
    lock_change: LockChange | None
    notes: tuple[str, ...]


def make_archive(
    project: Project,
    private: Path,
    options: BuildOptions,
    *,
    sign: Callable[[str], Sequence[Member]],
    progress: BuildProgress,
    sources: Project | None = None,
) -> Made:
    """Take all steps up to a finished archive, and read it back.

    Args:
        project: The project, from `options.read`.
        private: An existing folder of which nobody else knows. What is written into it is not removed here.
        options: How to build.
        sign: Called with the fingerprint; returns the files with signatures.
        progress: What is told about the steps.
        sources: The same project in another folder, out of which the source is taken.

    Raises:
        PackageError: As `build_package` does.
    """
    epoch = source_date_epoch()
    targets = project.targets()
    uv = find_uv(allow_untested=options.allow_untested_uv)
    sources = sources or project
    selection = select_sources(sources)
    snapshot = take_snapshot(sources, selection, private / "project")
    progress.end("project", project_summary(project, selection))

    progress.begin("discover")
    discovery = find_tasks(project, snapshot)
    progress.end("discover", tasks_summary(discovery))

    change = _update_lock(project, uv, options, progress)
    progress.begin("wheels")
    lock = export_lock(project, uv, targets, offline=options.offline)
    progress.end("wheels", wheels_summary(lock.wheels))

    sites = _vendor(lock, uv, private / "vendor", options, progress)
    assembly = assemble(project, targets, discovery, snapshot, lock, sites, epoch=epoch, uv_version=uv.version)
    signatures = sign(assembly.manifest.package.fingerprint)
    archive = private / f"{project.name}-{project.version}.cloacina"
    _pack(archive, assembly, signatures, epoch, progress)
    return Made(
        archive=archive,
        package=_read_back(archive, assembly, progress),
        uv=uv,
        targets=targets,
        selection=selection,
        snapshot=snapshot,
        discovery=discovery,
        lock=lock,
        lock_change=change,
        notes=tuple(dict.fromkeys(note for site in sites for note in site.notes)),
    )


def find_tasks(project: Project, snapshot: Snapshot) -> Discovery:
    """Find the tasks in the copies of a project's files.

    Raises:
        ProjectError: They cannot be found, or are more than a manifest holds.
        DefinitionError: They make no workflow.
    """
    discovery = discover(snapshot.source_root, project.entry_module, project_root=snapshot.root)
    if (count := len(discovery.tasks)) > MAXIMUM_TASKS:
        raise ProjectError(
            f"The project has {count:,} tasks, and a package holds {MAXIMUM_TASKS:,} at most. Divide it into several"
        )
    return discovery


def _update_lock(project: Project, uv: Uv, options: BuildOptions, progress: BuildProgress) -> LockChange | None:
    progress.begin("lock")
    if options.locked:
        progress.end("lock", "uv.lock as it is")
        return None
    change = update_lock(project, uv, offline=options.offline)
    progress.end("lock", lock_summary(change))
    return change


def _vendor(lock: Lock, uv: Uv, folder: Path, options: BuildOptions, progress: BuildProgress) -> tuple[Site, ...]:
    progress.begin("vendor")
    folder.mkdir()
    total = len(lock.wheels)
    progress.advance("vendor", 0, total)
    done: list[Site] = []

    def on_target(site: Site) -> None:
        done.append(site)
        progress.detail("vendor", site.target.name)
        progress.advance("vendor", len(done), total)

    sites = vendor(lock, uv, folder, offline=options.offline, on_target=on_target)
    count = sum(len(site.files) for site in sites)
    progress.end("vendor", f"{counted(total, 'target')}, {counted(count, 'file')}")
    return sites


def _pack(archive: Path, assembly: Assembly, signatures: Sequence[Member], epoch: int, progress: BuildProgress) -> None:
    progress.begin("pack")
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        progress.advance("pack", min(done, assembly.size), assembly.size)

    try:
        write_archive(archive, [*assembly.members, *signatures], mtime=epoch, on_bytes=on_bytes)
    except OutputNotWritable as error:
        # Its message names the file, which nobody knows of.
        reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else "it is not writable"
        raise OutputNotWritable(f"The folder for temporary files cannot be written: {reason}. {ADVICE}") from error
    progress.end("pack", f"{readable_size(assembly.size)} in {readable_size(archive.stat().st_size)}")


def _read_back(archive: Path, assembly: Assembly, progress: BuildProgress) -> Package:
    """Read the archive as whoever gets it will, before anybody gets it."""
    progress.begin("verify")
    package = read_package(archive)
    expected = assembly.manifest.package.fingerprint
    if package.fingerprint != expected:
        raise PackageTampered(
            f"The archive that was just written has the fingerprint {package.fingerprint}. Expected {expected}: a disk "
            "or a memory is failing, or somebody writes to the temporary folder"
        )
    progress.end("verify", f"fingerprint {expected[:_SHOWN_DIGITS]}…")
    return package
