"""The tar stream, taken apart: blocks, files and padding, from chunks that end anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloacina.errors import InvalidArchive
from cloacina.packaging.archive.ustar import BLOCK_BYTES, END_OF_ARCHIVE, padding_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_EMPTY_BLOCK = bytes(BLOCK_BYTES)


class TarStream:
    """A tar stream that is read from its beginning to its end.

    Args:
        chunks: The stream, in pieces of any size.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._at = 0
        self.position = 0

    def next_block(self) -> bytes:
        """Return the next 512 bytes.

        Raises:
            InvalidArchive: The stream ends before.
        """
        return self._take(BLOCK_BYTES)

    def body(self, size: int) -> Iterator[memoryview]:
        """Yield the bytes of a file in pieces, and check the padding after it.

        Raises:
            InvalidArchive: The stream ends before, or the padding is not zero.
        """
        missing = size
        while missing:
            if self._at == len(self._chunk):
                self._next_chunk()
            piece = memoryview(self._chunk)[self._at : self._at + missing]
            self._at += len(piece)
            self.position += len(piece)
            missing -= len(piece)
            yield piece
        padding = padding_of(size)
        if padding and any(self._take(padding)):
            raise InvalidArchive(f"The padding before byte {self.position:,} of the archive is not zero.")

    def read_end(self, block: bytes) -> None:
        """Read the rest of the stream, which must be its end: two blocks of zeros, and nothing else.

        Args:
            block: The block that was read last.

        Raises:
            InvalidArchive: There is something else.
        """
        if block + self._take(len(END_OF_ARCHIVE) - BLOCK_BYTES) != END_OF_ARCHIVE:
            raise InvalidArchive("After the last file one empty block follows; expected two and then nothing.")
        # Going on to the end of the chunks is also what checks the packed file's own checksum.
        if self._at < len(self._chunk) or any(self._chunks):
            raise InvalidArchive(f"More follows after the end of the archive at byte {self.position:,}.")

    def _take(self, count: int) -> bytes:
        start, end = self._at, self._at + count
        taken = self._chunk[start:end]
        while len(taken) < count:
            self._next_chunk()
            start, end = 0, count - len(taken)
            taken += self._chunk[:end]
        self._at = end
        self.position += count
        return taken

    def _next_chunk(self) -> None:
        try:
            self._chunk = next(self._chunks)
        except StopIteration:
            raise InvalidArchive(
                f"The archive breaks off after {self.position:,} bytes, before its end. Transfer it again."
            ) from None
        self._at = 0


def is_empty_block(block: bytes) -> bool:
    """Tell whether a block is all zeros, as at the end of an archive."""
    return block == _EMPTY_BLOCK
