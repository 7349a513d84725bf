"""Opening a file that should be a package, and saying what it is when it is none."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Literal

from cloacina.errors import ArchiveLimitExceeded, PackageNotReadable
from cloacina.packaging.archive.limits import MAX_UNPACKED_BYTES

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

Compression = Literal["zstd", "gzip"]

_SNIFFED_BYTES: Final = 512
_BROKEN: Final = "\N{REPLACEMENT CHARACTER}"
_PACKED: Final[dict[bytes, Compression]] = {b"\x28\xb5\x2f\xfd": "zstd", b"\x1f\x8b": "gzip"}
_OTHERS: Final = (
    (b"PK\x03\x04", "a zip archive, such as a wheel"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"BZh", "a bzip2 archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x7fELF", "a program or library for Linux"),
    (b"MZ", "a program or library for Windows"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"%PDF-", "a PDF document"),
    (b"-----BEGIN SSH SIGNATURE", "a signature; name the package that it belongs to"),
    (b"version https://git-lfs", "a pointer of Git LFS in place of the file; run `git lfs pull`"),
)
_KINDS: Final = {
    stat.S_IFDIR: "a folder; to make a package of it, run `cloacina build`",
    stat.S_IFIFO: "a FIFO, which cannot be read twice; write it to a file first",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True)
class OpenPackage:
    """A file that looks like a package, opened once, so that what was checked is what is read later.

    Attributes:
        file: The file, at its beginning.
        size: How many bytes it has.
        compression: How it is packed.
    """

    file: BinaryIO
    size: int
    compression: Compression


@contextmanager
def open_package(path: Path) -> Generator[OpenPackage]:
    """Open a package and look at its first bytes.

    Args:
        path: The file.

    Yields:
        The open file, which is closed at the end of the block.

    Raises:
        PackageNotReadable: The file is not there, cannot be read, or is something else.
        ArchiveLimitExceeded: It is larger than a package may be.
    """
    try:
        # Opening a FIFO would wait for a writer without O_NONBLOCK, which means nothing for files.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as problem:
        raise _cannot_open(path, problem) from problem
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            what = _KINDS.get(stat.S_IFMT(state.st_mode), "no regular file")
            raise PackageNotReadable(f"{path} is {what}. Expected a file that `cloacina build` wrote.")
        # The descriptor is closed below, also where no file object could be made of it.
        with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
            yield OpenPackage(file, state.st_size, _check_start(path, file, state.st_size))
    finally:
        os.close(descriptor)


def _check_start(path: Path, file: BinaryIO, size: int) -> Compression:
    try:
        start = file.read(_SNIFFED_BYTES)
    except OSError as problem:
        raise _cannot_open(path, problem) from problem
    for magic, compression in _PACKED.items():
        if start.startswith(magic):
            if size > MAX_UNPACKED_BYTES:
                raise ArchiveLimitExceeded(
                    f"{path} has {size:,} bytes; a package may have {MAX_UNPACKED_BYTES:,}, unpacked."
                )
            return compression
    raise PackageNotReadable(
        f"{path} is no package: it is {_what_is(start)}. Expected a file that `cloacina build` wrote."
    )


def _cannot_open(path: Path, problem: OSError | ValueError) -> PackageNotReadable:
    if isinstance(problem, FileNotFoundError):
        return PackageNotReadable(f"There is no file {path}. Check the path.")
    if isinstance(problem, IsADirectoryError):
        return PackageNotReadable(f"{path} is {_KINDS[stat.S_IFDIR]}.")
    reason = problem.strerror if isinstance(problem, OSError) else None
    return PackageNotReadable(f"{path} cannot be read: {reason or problem}.")


def _what_is(start: bytes) -> str:
    if not start:
        return "empty"
    for magic, what in _OTHERS:
        if start.startswith(magic):
            return what
    if start[257:262] == b"ustar":
        return "a tar archive that is not compressed"
    if start.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "a web page, perhaps the error page of a failed download"
    if not start.strip(b"\0"):
        return "nothing but zeros at its start"
    # A character may be cut in two at the end of what was read.
    text = start.decode("utf-8", "replace").rstrip(_BROKEN)
    if text and all(character.isprintable() or character.isspace() for character in text) and _BROKEN not in text:
        return "text"
    return f"neither zstd nor gzip (it begins with {start[:4].hex(' ')})"
