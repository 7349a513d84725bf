"""Reading a package: the first pass, which decides whether it is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloacina.packaging.archive.opening import OpenPackage, open_package
from cloacina.packaging.archive.package import Package
from cloacina.packaging.archive.scanning import scan
from cloacina.packaging.archive.unpacking import unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def read_package(path: Path, *, on_bytes: Callable[[int], None] | None = None) -> Package:
    """Read a package from its beginning to its end, and check all of it. Nothing is written or run.

    A package that is returned is exactly what its manifest says: the fingerprint is that of the manifest, which names
    the hash of CONTENTS, which lists the hash, size, mode and path of every file, and there is nothing else in the
    file. Whom it is from is another question, which signatures answer.

    Args:
        path: The file.
        on_bytes: Called with how many more bytes of the file were read.

    Returns:
        What the package is.

    Raises:
        PackageNotReadable: The file is not there, cannot be read, or is something else.
        InvalidArchive: It is damaged, breaks off, or is not in the one form in which packages are written.
        ArchiveLimitExceeded: It holds more than a package may.
        UnsafeArchive: It holds something that could write or run where it should not.
        PackageTampered: A file, CONTENTS or the manifest was changed after the package was built.
        InvalidManifest: The manifest breaks the rules of its format.
        UnsupportedManifest: The manifest is of another version or program.
    """
    with open_package(path) as opened:
        return read_open_package(path, opened, on_bytes=on_bytes)


def read_open_package(path: Path, opened: OpenPackage, *, on_bytes: Callable[[int], None] | None = None) -> Package:
    """Read a package from a file that is open, as `read_package` does.

    Args:
        path: What the file is called.
        opened: The open file.
        on_bytes: Called with how many more bytes of the file were read.
    """
    found = scan(unpack(opened, on_bytes))
    return Package(
        path=path,
        manifest=found.manifest,
        document=found.document,
        fingerprint=found.manifest.package.fingerprint,
        contents=found.contents,
        signatures=found.signatures,
        texts=found.texts,
        members=found.members,
        compression=opened.compression,
        packed_size=opened.size,
        unpacked_size=found.unpacked_size,
        mtime=found.mtime,
    )
