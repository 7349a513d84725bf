"""From what uv installed to what is packed: nothing of this machine, nothing that runs by itself, all checked."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cloacina.errors import HashMismatch, UnpackableFile, UnsafeArchive
from cloacina.packaging.archive.limits import MAX_FILE_BYTES
from cloacina.packaging.archive.names import PathRegistry, check_path
from cloacina.packaging.archive.top_level import TopLevel
from cloacina.packaging.archive.ustar import fits_header
from cloacina.packaging.vendoring.distribution import Distribution, owners_of, read_distributions
from cloacina.packaging.vendoring.record import render_record
from cloacina.packaging.vendoring.site import Site, SiteFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cloacina.packaging.locking import SelectedWheel
    from cloacina.packaging.targets import Target

# What an installer adds to tell of itself. Where it installed from would name the machine.
_INSTALLERS_NOTES: Final = frozenset({"INSTALLER", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"})
_SCRIPT_FOLDERS: Final = frozenset({"bin", "Scripts"})
_BYTECODE: Final = (".pyc", ".pyo")


def tidy(folder: Path, target: Target, wheels: Sequence[SelectedWheel], *, reserved: frozenset[str]) -> Site:
    """Return what a package carries of a folder that uv installed into. The folder itself is not changed.

    Left out are what uv adds (its lock, `INSTALLER`, `REQUESTED`, scripts that start this machine's Python), byte code,
    and `.pth` files, which run code when Python starts. Each `RECORD` is written anew for what is left.

    Args:
        folder: Where uv installed.
        target: The target that it was for.
        wheels: What had to be installed.
        reserved: The names of modules that no dependency may bring: those of the standard library.

    Raises:
        HashMismatch: Something else was installed, or a file is not what its wheel lists.
        UnpackableFile: A dependency holds a file that a package cannot hold, or two hold the same path.
    """
    distributions = read_distributions(folder, target, wheels)
    owners = owners_of(distributions)
    files: dict[str, SiteFile] = {}
    notes: list[str] = []
    for path, entry in sorted(_walk(folder), key=lambda found: found[0].encode()):
        if _is_trace(path) or _is_script(path, entry):
            continue
        if _runs_at_start(path):
            notes.append(f"{_who(owners, path)}: {path} is left out, since it would run at every start of Python")
            continue
        files[path] = _read(path, entry, owners)
    _check_names(files, target, owners, reserved)
    for distribution in distributions:
        files[distribution.record] = _record(distribution, files)
    return Site(
        target,
        tuple(files[path] for path in sorted(files, key=str.encode)),
        {each.name: each.license_expression for each in distributions if each.license_expression is not None},
        tuple(notes),
    )


def _walk(folder: Path, prefix: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder / prefix) as entries:
        for entry in entries:
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder, f"{path}/")
            else:
                yield path, entry


def _is_trace(path: str) -> bool:
    """Return whether a file tells of this installation, and not of what was installed."""
    folder, _, name = path.rpartition("/")
    if not folder:
        return name == ".lock"
    if folder.endswith(".dist-info") and name in _INSTALLERS_NOTES:
        return True
    return name.endswith(_BYTECODE) or "__pycache__" in folder.split("/")


def _is_script(path: str, entry: os.DirEntry[str]) -> bool:
    """Return whether a file is a script that uv made, or whose first line it has written for this machine.

    Programs that a wheel brings (`ruff`) stay where its Python code looks for them.
    """
    if path.partition("/")[0] not in _SCRIPT_FOLDERS:
        return False
    with open(entry.path, "rb") as file:  # noqa: PTH123 - an entry has its path as text
        return file.read(2) == b"#!"


def _runs_at_start(path: str) -> bool:
    return path.endswith(".pth") and "/" not in path


def _check_names(
    paths: Iterable[str], target: Target, owners: Mapping[str, Sequence[Distribution]], reserved: frozenset[str]
) -> None:
    """Refuse paths that no package may hold, while it is still known whose they are."""
    # Where this machine takes two names for one file, only one of the two is left; the RECORDs list both.
    listed = (path for path in owners if path.partition("/")[0] not in _SCRIPT_FOLDERS)
    registry, top_level = PathRegistry(), TopLevel("site", reserved)
    is_packed = frozenset(paths)
    for path in sorted({*is_packed, *listed}, key=str.encode):
        packed = f"vendor/{target.name}/{path}"
        try:
            registry.add(path)
            if path in is_packed:
                check_path(packed)
                top_level.add(path, path)
        except UnsafeArchive as error:
            raise UnpackableFile(
                f"{_who(owners, path)} cannot be packed for {target.name}: {error.message} Depend on another "
                "version or library"
            ) from None
        if not fits_header(packed):
            raise UnpackableFile(
                f"{_who(owners, path)} cannot be packed for {target.name}: {path!r} is too long for an archive, in "
                "which a name has 100 bytes and the folders before it 155"
            )


def _read(path: str, entry: os.DirEntry[str], owners: Mapping[str, Sequence[Distribution]]) -> SiteFile:
    status = entry.stat(follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        raise UnpackableFile(f"{_who(owners, path)} installs {path!r}, which is no regular file")
    if status.st_size > MAX_FILE_BYTES:
        raise UnpackableFile(
            f"{_who(owners, path)} installs {path!r} of {status.st_size / 1e6:,.0f} MB. A file in a package may have "
            f"{MAX_FILE_BYTES / 1e6:,.0f} MB"
        )
    with open(entry.path, "rb") as file:  # noqa: PTH123 - an entry has its path as text
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    listed_by = owners.get(path, ())
    listed = {each.listed[path] for each in listed_by} - {None}
    if len(listed) > 1:
        # uv installs wheels side by side: which of them is the last to write it differs from run to run.
        raise UnpackableFile(
            f"{_who(owners, path)} both install {path!r}, with different content. Depend on one of them, or on versions"
            " that don't overlap"
        )
    if listed and sha256 not in listed:
        raise HashMismatch(
            f"{path} is not what {_who(owners, path)} lists in its RECORD: uv's cache is damaged, or the wheel is."
            f" Run `uv cache clean {listed_by[0].name}` and build again"
        )
    # Of the mode, only this bit comes from the wheel; the others are this machine's umask.
    mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
    return SiteFile(path, Path(entry.path), mode, status.st_size, sha256)


def _record(distribution: Distribution, files: Mapping[str, SiteFile]) -> SiteFile:
    kept = (files[path] for path in distribution.listed if path in files and path != distribution.record)
    content = render_record(distribution.record, ((file.path, file.sha256, file.size) for file in kept))
    return SiteFile(distribution.record, content, 0o644, len(content), hashlib.sha256(content).hexdigest())


def _who(owners: Mapping[str, Sequence[Distribution]], path: str) -> str:
    return " and ".join(map(str, owners.get(path, ()))) or "a dependency"
