"""The project's files as they were at one moment: what is parsed is what is hashed is what is packed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloacina.errors import UnpackableFile

if TYPE_CHECKING:
    from pathlib import Path

    from cloacina.packaging.project import Project
    from cloacina.packaging.sources import SourceSelection


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """A copy of a file of the project.

    Attributes:
        path: Its place below `workflow/`, with `/`.
        file: The copy.
        mode: 0o644 or 0o755.
        size: Its size in bytes.
        sha256: The digest of its bytes, as hexadecimal digits.
    """

    path: str
    file: Path
    mode: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Copies of the files of a project that are packed.

    Attributes:
        root: The copy of the project's folder.
        source_root: Where modules are looked for in it.
        files: The copies, in the order of the selection.
    """

    root: Path
    source_root: Path
    files: tuple[SnapshotFile, ...]


def take_snapshot(project: Project, selection: SourceSelection, folder: Path) -> Snapshot:
    """Copy the selected files of a project, each read once, to the same paths below another folder.

    Args:
        project: The project.
        selection: Which of its files.
        folder: Where the copies go; it must not exist.

    Raises:
        UnpackableFile: A file can't be read, or is gone since it was selected.
    """
    folder.mkdir()
    files: list[SnapshotFile] = []
    for selected in selection.files:
        relative = selected.file.relative_to(project.root)
        try:
            content = selected.file.read_bytes()
        except OSError as error:
            raise UnpackableFile(
                f"{relative.as_posix()} cannot be read: {error.strerror}. Make it readable, or leave it out: "
                "[tool.cloacina] exclude"
            ) from error
        copy = folder / relative
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
        files.append(
            SnapshotFile(selected.path, copy, selected.mode, len(content), hashlib.sha256(content).hexdigest())
        )
    source_root = folder / project.source_root.relative_to(project.root)
    source_root.mkdir(exist_ok=True)
    return Snapshot(folder, source_root, tuple(files))
