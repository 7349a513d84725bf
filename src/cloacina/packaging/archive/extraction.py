"""Extracting a package: all of it is checked before a byte is written, and again while it is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from cloacina.errors import ExtractionFailed, InvalidOption, TargetNotInPackage, join_names
from cloacina.packaging.archive.layout import ANY
from cloacina.packaging.archive.opening import open_package
from cloacina.packaging.archive.private_folder import private_folder_beside
from cloacina.packaging.archive.reading import read_open_package
from cloacina.packaging.archive.replaying import replay
from cloacina.packaging.targets import Target, host_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloacina.packaging.archive.opening import OpenPackage
    from cloacina.packaging.archive.package import Package

Layout = Literal["merged", "raw"]


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was extracted.

    Attributes:
        package: The package.
        folder: Where it is now.
        target: What it was extracted for; None with the layout ``raw``, which is for all targets.
        layout: ``merged`` or ``raw``.
        files: How many files were written.
        size: How many bytes they have.
    """

    package: Package
    folder: Path
    target: Target | None
    layout: Layout
    files: int
    size: int


def extract_package(
    path: Path,
    destination: Path,
    *,
    target: Target | None = None,
    layout: Layout = "merged",
    read_only: bool = False,
) -> Extraction:
    """Check a package, and write its files into a new folder.

    The first pass reads the whole file and writes nothing. The second one reads the same open file again, compares
    every header and hash with what the first one found, and writes into a private folder beside the destination, which
    gets its name at the very end. So the destination is there whole, or not at all, even if the process is killed. It
    is not forced to the disk: after a crash of the machine, extract again, or compare the files with CONTENTS.

    Args:
        path: The package.
        destination: The folder to make. It must not exist, or be empty; the folder above it must exist.
        target: What to extract for; by default this machine's platform and Python.
        layout: ``merged`` puts vendor/any and the target's folder together into ``site/``, as a package is run;
            ``raw`` writes the files as they are in the archive, for all targets.
        read_only: Whether to take the right to write from all files and folders.

    Returns:
        What was extracted.

    Raises:
        ArchiveError: The package is not valid, as `read_package` says, or changed between the two passes.
        TargetNotInPackage: The package has no files for the target.
        ExtractionFailed: The destination cannot be written; what had been written was removed.
        InvalidOption: The layout is unknown, or a target was given with ``raw``.
    """
    if layout not in get_args(Layout):
        raise InvalidOption(f"layout={layout!r} is unknown. Expected 'merged' or 'raw'.")
    if layout == "raw" and target is not None:
        raise InvalidOption("A target was given with the layout 'raw', which writes the files of all targets.")
    place = _place_of(destination)
    with open_package(path) as opened:
        package = read_open_package(path, opened)
        chosen = None if layout == "raw" else _choose_target(package, target)
        try:
            return _write(package, opened, place, chosen, read_only=read_only)
        except OSError as problem:
            raise ExtractionFailed(
                f"{destination} cannot be written: {problem.strerror or problem}. What had been written was removed."
            ) from problem


def _write(package: Package, opened: OpenPackage, place: Path, target: Target | None, *, read_only: bool) -> Extraction:
    locate = _locator(target)
    writable = 0o555 if read_only else 0o755
    files = size = 0
    with private_folder_beside(place) as folder:
        for entry, body in replay(package, opened):
            if (path := locate(entry.path)) is not None:
                folder.write(path, body, entry.mode & writable)
                files += 1
                size += entry.size
        if read_only:
            folder.make_read_only()
        folder.move_to(place, mode=writable)
    return Extraction(package, place, target, "merged" if target else "raw", files, size)


def _locator(target: Target | None) -> Callable[[str], str | None]:
    """Return what says where a file goes, or that it is for another target."""
    if target is None:
        return lambda path: path
    sources = (f"vendor/{ANY}/", f"vendor/{target.name}/")

    def locate(path: str) -> str | None:
        if not path.startswith("vendor/"):
            return path
        for source in sources:
            if path.startswith(source):
                return f"site/{path.removeprefix(source)}"
        return None

    return locate


def _choose_target(package: Package, target: Target | None) -> Target:
    info = package.manifest.package
    # A package of another program may name platforms only: it has nothing in vendor/, and any Python will do.
    known = [f"{build.platform}-{build.abi}" for build in info.builds or ()] or list(info.targets)
    wanted = target or host_target()
    if wanted is None:
        raise TargetNotInPackage(
            f"This platform is none that packages are built for, so a target must be named: {join_names(known)}."
        )
    if wanted.name not in known and (info.builds or wanted.platform not in known):
        raise TargetNotInPackage(
            f"{info.name} {info.version} holds nothing for {wanted.name}. Its targets are {join_names(known)}:"
            " name one of them, or have the package built for this one as well."
        )
    return wanted


def _place_of(destination: Path) -> Path:
    """Return the absolute path of a destination that can be made."""
    if "\0" in str(destination):
        raise ExtractionFailed(f"{str(destination)!r} cannot be written: no name of a folder holds a NUL.")
    try:
        if destination.is_symlink():
            raise ExtractionFailed(f"{destination} is a link, which is not followed. Name the folder itself.")
        place = destination.parent.resolve(strict=True) / destination.name
        if not destination.name or destination.name == "..":
            place = destination.resolve(strict=True)
        if not place.parent.is_dir():
            raise ExtractionFailed(f"{destination.parent} is no folder. Make it first, or choose another one.")
        if not os.path.lexists(place):
            return place
        if not place.is_dir():
            raise ExtractionFailed(f"{destination} is a file. Choose a folder that is new or empty.")
        if any(place.iterdir()):
            raise ExtractionFailed(f"{destination} is not empty. Choose a folder that is new or empty.")
        if place.samefile(Path.cwd()):
            raise ExtractionFailed("The current folder cannot be replaced. Choose a new folder in it.")
    except FileNotFoundError:
        raise ExtractionFailed(f"{destination.parent} is no folder. Make it first, or choose another one.") from None
    except OSError as problem:
        raise ExtractionFailed(f"{destination} cannot be written: {problem.strerror or problem}.") from problem
    return place
