"""From the packed bytes to those of the tar stream, with the limits held at every step."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, BinaryIO, Final

from cloacina.errors import ArchiveLimitExceeded, InvalidArchive, PackageNotReadable
from cloacina.packaging.archive.frame import MAX_FRAME_HEADER_BYTES, check_frame
from cloacina.packaging.archive.limits import (
    MAX_RATIO,
    MAX_UNPACKED_BYTES,
    MAX_WINDOW_BYTES,
    RATIO_BASE_BYTES,
)
from cloacina.packaging.archive.zstandard import DecompressionParameter, ZstdDecompressor, ZstdError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloacina.packaging.archive.opening import OpenPackage

_READ_BYTES: Final = 256 * 1024
_CHUNK_BYTES: Final = 1024 * 1024
_OPTIONS: Final[dict[int, int]] = {DecompressionParameter.window_log_max: MAX_WINDOW_BYTES.bit_length() - 1}
_GZIP_WINDOW: Final = 31  # zlib's way to say: gzip, with the largest window that it has


def unpack(package: OpenPackage, on_bytes: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """Yield the tar stream of a package, about a megabyte at a time.

    Nothing is unpacked beyond what the packed bytes that have been read allow, so a bomb costs no memory and no time.

    Args:
        package: The open file; it is read from its beginning.
        on_bytes: Called with how many more bytes of the packed file were read.

    Raises:
        PackageNotReadable: Reading fails.
        InvalidArchive: The file is damaged, breaks off, has no checksum, or more follows after its end.
        ArchiveLimitExceeded: It unpacks to too much, or to too much for its size, or takes too much memory.
    """
    source = _Source(package.file, on_bytes)
    if package.compression == "zstd":
        head = source.read(_READ_BYTES)
        check_frame(head[:MAX_FRAME_HEADER_BYTES], package.size)
        yield from _unpack_zstd(source, head)
    else:
        yield from _unpack_gzip(source)


class _Source:
    """The packed bytes, and what may be unpacked of those that have been read."""

    def __init__(self, file: BinaryIO, on_bytes: Callable[[int], None] | None) -> None:
        self._file = file
        self._on_bytes = on_bytes
        self._packed = 0
        self._unpacked = 0
        file.seek(0)

    def read(self, size: int) -> bytes:
        try:
            data = self._file.read(size)
        except OSError as problem:
            raise PackageNotReadable(f"The file cannot be read: {problem.strerror or problem}.") from problem
        self._packed += len(data)
        if self._on_bytes is not None:
            self._on_bytes(len(data))
        return data

    def read_more(self) -> bytes:
        data = self.read(_READ_BYTES)
        if not data:
            raise InvalidArchive(f"The file breaks off after {self._packed:,} bytes. Transfer it again.")
        return data

    @property
    def _allowed(self) -> int:
        return min(MAX_UNPACKED_BYTES, RATIO_BASE_BYTES + MAX_RATIO * self._packed) - self._unpacked

    def next_chunk_bytes(self) -> int:
        """Return how many bytes may come out next: one more than is allowed, to notice that there are more."""
        return min(_CHUNK_BYTES, self._allowed + 1)

    def count(self, chunk: bytes) -> None:
        self._unpacked += len(chunk)
        if self._allowed >= 0:
            return
        if self._unpacked > MAX_UNPACKED_BYTES:
            raise ArchiveLimitExceeded(f"The package unpacks to more than {MAX_UNPACKED_BYTES:,} bytes.")
        raise ArchiveLimitExceeded(
            f"The package unpacks to more than {MAX_RATIO} times its size: {self._packed:,} bytes hold more than"
            f" {self._unpacked - 1:,}."
        )

    def refuse_rest(self, unused: bytes) -> None:
        """Refuse whatever follows after the end of the packed data."""
        rest = unused or self.read(1)
        if rest:
            raise InvalidArchive("More bytes follow after the end of the package. Transfer it again.")


def _unpack_zstd(source: _Source, data: bytes) -> Iterator[bytes]:
    decompressor = ZstdDecompressor(options=_OPTIONS)
    while not decompressor.eof:
        if decompressor.needs_input and not data:
            data = source.read_more()
        try:
            chunk = decompressor.decompress(data, max_length=source.next_chunk_bytes())
        except ZstdError as problem:
            raise InvalidArchive(f"The file is damaged: {problem}. Transfer it again.") from problem
        data = b""
        source.count(chunk)
        if chunk:
            yield chunk
    source.refuse_rest(decompressor.unused_data)


def _unpack_gzip(source: _Source) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(_GZIP_WINDOW)
    while not decompressor.eof:
        data = decompressor.unconsumed_tail or source.read_more()
        try:
            chunk = decompressor.decompress(data, source.next_chunk_bytes())
        except zlib.error as problem:
            raise InvalidArchive(f"The file is damaged: {problem}. Transfer it again.") from problem
        source.count(chunk)
        if chunk:
            yield chunk
    source.refuse_rest(decompressor.unused_data)
