"""The second pass over a package: the same bytes again, held against what the first pass found."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cloacina.errors import PackageTampered
from cloacina.packaging.archive.tar_stream import TarStream
from cloacina.packaging.archive.unpacking import unpack
from cloacina.packaging.archive.ustar import render_header

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from cloacina.packaging.archive.contents import ContentsEntry
    from cloacina.packaging.archive.opening import OpenPackage
    from cloacina.packaging.archive.package import Package


def replay(package: Package, opened: OpenPackage) -> Generator[tuple[ContentsEntry, Iterator[memoryview]], None, None]:
    """Yield each file of a package that was read before, with its bytes.

    The bytes of a file are checked once all of them were yielded, and those that were not asked for are read over.

    Args:
        package: What the first pass found.
        opened: The file, best the one that the first pass read.

    Raises:
        PackageTampered: The file is not the same as before.
        ArchiveError: It is damaged, or cannot be read.
    """
    stream = TarStream(unpack(opened))
    for entry in package.members:
        if stream.next_block() != render_header(entry.path, entry.size, entry.mode, package.mtime):
            raise _changed(package, entry)
        body = _checked_body(stream, package, entry)
        yield entry, body
        for _ in body:
            pass
    stream.read_end(stream.next_block())


def _checked_body(stream: TarStream, package: Package, entry: ContentsEntry) -> Iterator[memoryview]:
    digest = hashlib.sha256()
    for piece in stream.body(entry.size):
        digest.update(piece)
        yield piece
    if digest.hexdigest() != entry.sha256:
        raise _changed(package, entry)


def _changed(package: Package, entry: ContentsEntry) -> PackageTampered:
    return PackageTampered(
        f"{package.path} changed while it was read: {entry.path!a} is not what it was a moment ago. Try again"
        " once nothing writes to it."
    )
