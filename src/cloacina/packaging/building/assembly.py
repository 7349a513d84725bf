"""From the parts of a package to the files of its archive: lock, bill of materials, provenance, CONTENTS, manifest."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from cloacina.packaging.archive import ContentsEntry, Member, render_contents
from cloacina.packaging.attestations.provenance import render_provenance
from cloacina.packaging.attestations.sbom import render_sbom
from cloacina.packaging.attestations.wheels import WheelUse
from cloacina.packaging.building.source_date import timestamp
from cloacina.packaging.manifest.fingerprint import with_fingerprint
from cloacina.packaging.manifest.models import (
    Build,
    Manifest,
    PackageInfo,
    PythonRuntime,
    TaskEntry,
    render_manifest,
)
from cloacina.packaging.vendoring import lay_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloacina.packaging.building.snapshot import Snapshot
    from cloacina.packaging.discovery import Discovery
    from cloacina.packaging.locking import Lock, SelectedWheel
    from cloacina.packaging.project import Project
    from cloacina.packaging.targets import Target
    from cloacina.packaging.vendoring import Site


@dataclass(frozen=True, slots=True)
class Assembly:
    """A package that is ready to be written.

    Attributes:
        manifest: Its manifest, with the fingerprint.
        members: The files of its archive, the manifest and CONTENTS included.
        size: The bytes of all its files.
    """

    manifest: Manifest
    members: tuple[Member, ...]
    size: int


def assemble(
    project: Project,
    targets: Sequence[Target],
    discovery: Discovery,
    snapshot: Snapshot,
    lock: Lock,
    sites: Sequence[Site],
    *,
    epoch: int,
    uv_version: str,
) -> Assembly:
    """Make everything that a package consists of. Nothing here depends on the machine or the time.

    Args:
        project: The project.
        targets: What the package is built for.
        discovery: Its tasks.
        snapshot: Its source.
        lock: Its dependencies.
        sites: What was installed for each target.
        epoch: The time that the package names, in seconds since 1970.
        uv_version: The version of uv that installed.
    """
    created_at = timestamp(epoch)
    wheels = _wheel_uses(lock, sites)
    files = _Files()
    for file in snapshot.files:
        files.add(Member(f"workflow/{file.path}", file.file, file.mode), file.size, file.sha256)
    for placed in lay_out(sites):
        vendored = placed.file
        files.add(Member(placed.path, vendored.source, vendored.mode), vendored.size, vendored.sha256)
    files.add_bytes("requirements.lock", lock.requirements.encode())
    files.add_bytes("pylock.toml", lock.pylock.encode())
    files.add_bytes("sbom.cdx.json", render_sbom(project.name, project.version, wheels, created_at=created_at))
    provenance = render_provenance(
        project.name,
        project.version,
        payload_sha256=hashlib.sha256(render_contents(files.entries)).hexdigest(),
        wheels=wheels,
        parameters={
            "entry_module": project.entry_module,
            "requires_python": project.requires_python,
            "targets": [target.name for target in targets],
        },
        created_at=created_at,
        uv_version=uv_version if wheels else None,
    )
    files.add_bytes("provenance.json", provenance)
    contents = render_contents(files.entries)
    manifest = with_fingerprint(
        Manifest(
            package=PackageInfo(
                name=project.name,
                version=project.version,
                description=project.description,
                targets=tuple(sorted({target.platform for target in targets})),
                contents_sha256=hashlib.sha256(contents).hexdigest(),
                builds=tuple(Build(platform=target.platform, abi=target.abi, floor=target.floor) for target in targets),
            ),
            language="python",
            python=PythonRuntime(requires_python=project.requires_python, entry_module=project.entry_module),
            tasks=tuple(
                TaskEntry(
                    id=task.id,
                    function=task.function,
                    dependencies=task.dependencies,
                    description=task.description,
                    retries=task.retries,
                    timeout_seconds=task.timeout_seconds,
                )
                for task in discovery.tasks
            ),
            created_at=created_at,
        )
    )
    rendered = render_manifest(manifest)
    members = [Member("manifest.json", rendered), Member("CONTENTS", contents), *files.members]
    size = sum(entry.size for entry in files.entries) + len(rendered) + len(contents)
    return Assembly(manifest, tuple(members), size)


class _Files:
    """Members of the archive, and the lines about them in CONTENTS."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.entries: list[ContentsEntry] = []

    def add(self, member: Member, size: int, sha256: str) -> None:
        self.members.append(member)
        self.entries.append(ContentsEntry(sha256, size, member.mode, member.path))

    def add_bytes(self, path: str, content: bytes) -> None:
        self.add(Member(path, content), len(content), hashlib.sha256(content).hexdigest())


def _wheel_uses(lock: Lock, sites: Sequence[Site]) -> tuple[WheelUse, ...]:
    targets: defaultdict[SelectedWheel, list[str]] = defaultdict(list)
    licenses: dict[SelectedWheel, str | None] = {}
    for site in sites:
        for wheel in lock.wheels[site.target]:
            targets[wheel].append(site.target.name)
            licenses[wheel] = site.licenses.get(canonicalize_name(wheel.name))
    return tuple(
        WheelUse(
            wheel.name,
            wheel.version,
            wheel.file_name,
            wheel.sha256,
            tuple(sorted(names)),
            licenses[wheel],
        )
        for wheel, names in sorted(targets.items(), key=lambda used: (used[0].name, used[0].file_name))
    )
