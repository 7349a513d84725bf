"""The stream of an archive as it is written: headers, files and padding, compressed on the way."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, BinaryIO, Final

from cloacina.errors import UnpackableFile
from cloacina.packaging.archive.limits import (
    MAX_RATIO,
    MAX_UNPACKED_BYTES,
    MAX_WINDOW_BYTES,
    RATIO_BASE_BYTES,
)
from cloacina.packaging.archive.ustar import BLOCK_BYTES, END_OF_ARCHIVE, fits_header, padding_of, render_header
from cloacina.packaging.archive.zstandard import CompressionParameter, ZstdCompressor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cloacina.packaging.archive.contents import ContentsEntry

# Measured on four targets of numpy, pydantic and httpx: 46 MB in 12 s, where gzip makes 76 MB in 28 s. Without threads,
# because not every Python's zstd has them, and bytes must not depend on the machine.
_OPTIONS: Final[dict[int, int]] = {
    CompressionParameter.compression_level: 9,
    CompressionParameter.window_log: MAX_WINDOW_BYTES.bit_length() - 1,
    CompressionParameter.checksum_flag: 1,
    CompressionParameter.content_size_flag: 1,
}


class PackedStream:
    """A compressed archive that is written from the first file to the last.

    Args:
        file: Where to write.
        entries: All files, in the order in which they will be added.
        mtime: The time of all of them, in seconds since 1970.
        on_bytes: Called with how many more bytes of the unpacked archive were written.

    Raises:
        UnpackableFile: The files are too many or too large, or a path does not fit.
    """

    def __init__(
        self,
        file: BinaryIO,
        entries: Sequence[ContentsEntry],
        *,
        mtime: int,
        on_bytes: Callable[[int], None] | None,
    ) -> None:
        size = _unpacked_size(entries)
        self._file = file
        self._mtime = mtime
        self._on_bytes = on_bytes
        self._compressor = ZstdCompressor(options=_OPTIONS)
        # With the size in the frame, a reader refuses what is too large at once, and a small package asks for a small
        # window only.
        self._compressor.set_pledged_input_size(size)
        self._unpacked = 0
        self._packed = 0

    def add(self, entry: ContentsEntry, chunks: Iterable[bytes | memoryview]) -> None:
        """Write a file.

        Args:
            entry: What the file is.
            chunks: Its bytes.

        Raises:
            UnpackableFile: The bytes are not those of the entry, or so repetitive that readers would refuse them.
            OSError: Writing fails.
        """
        self._write(render_header(entry.path, entry.size, entry.mode, self._mtime))
        digest = hashlib.sha256()
        size = 0
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            if size > entry.size:
                break
            self._write(chunk)
            self._check_ratio(entry)
        if size != entry.size or digest.hexdigest() != entry.sha256:
            raise UnpackableFile(f"{entry.path} changed while it was packed. Build again once nothing writes to it.")
        self._write(bytes(padding_of(size)))

    def finish(self) -> None:
        """Write the end of the archive.

        Raises:
            OSError: Writing fails.
        """
        self._write(END_OF_ARCHIVE)
        self._file.write(self._compressor.flush())

    def _write(self, data: bytes | memoryview) -> None:
        packed = self._compressor.compress(data)
        self._file.write(packed)
        self._packed += len(packed)
        self._unpacked += len(data)
        if self._on_bytes is not None:
            self._on_bytes(len(data))

    def _check_ratio(self, entry: ContentsEntry) -> None:
        # A reader counts the packed bytes that it has, which are never less than those that have come out here.
        if self._unpacked > RATIO_BASE_BYTES + MAX_RATIO * self._packed:
            raise UnpackableFile(
                f"{entry.path} is so repetitive that it packs to less than a hundredth, and readers take that for an"
                " attack. Leave it out, or make it when the workflow runs."
            )


def _unpacked_size(entries: Sequence[ContentsEntry]) -> int:
    for entry in entries:
        if not fits_header(entry.path):
            raise UnpackableFile(
                f"The path {entry.path} is too long for a package: 100 bytes, or folders of 155 bytes and a rest of"
                " 100. Shorten it, or leave the file out."
            )
    size = sum(BLOCK_BYTES + entry.size + padding_of(entry.size) for entry in entries) + len(END_OF_ARCHIVE)
    if size > MAX_UNPACKED_BYTES:
        raise UnpackableFile(f"The package has {size:,} bytes unpacked; it may have {MAX_UNPACKED_BYTES:,}.")
    return size
