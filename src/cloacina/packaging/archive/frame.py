"""The header of a zstd frame, looked at before anything is unpacked.

Source: RFC 8878, 3.1.1.1.
"""

from __future__ import annotations

from typing import Final

from cloacina.errors import ArchiveLimitExceeded, InvalidArchive
from cloacina.packaging.archive.limits import MAX_RATIO, MAX_UNPACKED_BYTES, MAX_WINDOW_BYTES, RATIO_BASE_BYTES

MAX_FRAME_HEADER_BYTES: Final = 18

_MAGIC_BYTES: Final = 4
_DICTIONARY_BYTES: Final = (0, 1, 2, 4)
_SIZE_BYTES: Final = (0, 2, 4, 8)


def check_frame(head: bytes, packed_size: int) -> None:
    """Refuse a frame that asks for more than a package may, or lacks what each package has.

    Args:
        head: The first bytes of the file, with the magic number.
        packed_size: How many bytes the file has.

    Raises:
        InvalidArchive: The header breaks off, or the frame has no checksum or needs a dictionary.
        ArchiveLimitExceeded: The window, or the size that the header names, is too large.
    """
    head = head[_MAGIC_BYTES:]
    descriptor = head[0] if head else 0
    is_single_segment = bool(descriptor & 0x20)
    window_bytes = 0 if is_single_segment else 1
    dictionary_bytes = _DICTIONARY_BYTES[descriptor & 0x03]
    size_bytes = _SIZE_BYTES[descriptor >> 6] or int(is_single_segment)
    if len(head) < 1 + window_bytes + dictionary_bytes + size_bytes:
        raise InvalidArchive("The file breaks off in its first bytes. Transfer it again.")
    if descriptor & 0x08:
        raise InvalidArchive("The zstd frame uses a bit that has no meaning yet. Expected a file of `cloacina build`.")
    if dictionary_bytes:
        raise InvalidArchive("The zstd frame needs a dictionary. Expected one that can be read by itself.")
    if not descriptor & 0x04:
        raise InvalidArchive("The zstd frame has no checksum. Expected a file of `cloacina build`.")

    size = None
    if size_bytes:
        start = 1 + window_bytes
        # The form with two bytes begins where that with one ends.
        size = int.from_bytes(head[start : start + size_bytes], "little") + (256 if size_bytes == 2 else 0)  # noqa: PLR2004
        _check_size(size, packed_size)
    window = size if is_single_segment and size is not None else _window(head[1])
    if window > MAX_WINDOW_BYTES:
        raise ArchiveLimitExceeded(
            f"Reading the package takes {window:,} bytes of memory (zstd's window); a package may take"
            f" {MAX_WINDOW_BYTES:,}."
        )


def _window(descriptor: int) -> int:
    base = 1 << (10 + (descriptor >> 3))
    return base + (base >> 3) * (descriptor & 0x07)


def _check_size(size: int, packed_size: int) -> None:
    if size > MAX_UNPACKED_BYTES:
        raise ArchiveLimitExceeded(
            f"The package says that it unpacks to {size:,} bytes; it may have {MAX_UNPACKED_BYTES:,}."
        )
    if size > RATIO_BASE_BYTES + MAX_RATIO * packed_size:
        raise ArchiveLimitExceeded(
            f"The package says that {packed_size:,} bytes unpack to {size:,}: more than {MAX_RATIO} times as much."
        )
