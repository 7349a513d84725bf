"""The headers of the tar stream: POSIX ustar, in the one form in which a package is written.

For a path, a size, a mode and a time there is exactly one header, so a reader compares what it finds with what it would
have written, instead of making sense of whatever is there.

Source: IEEE Std 1003.1, pax, "ustar Interchange Format".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloacina.errors import InvalidArchive, UnsafeArchive

BLOCK_BYTES: Final = 512
END_OF_ARCHIVE: Final = bytes(2 * BLOCK_BYTES)
"""What follows the last file: two blocks of zeros, and no filling up to a tape's record."""

MODES: Final = (0o644, 0o755)
MAX_TIME: Final = 0o77777777777
"""The latest time that a header holds, in seconds since 1970."""

_NAME_BYTES: Final = 100
_PREFIX_BYTES: Final = 155
_MAGIC: Final = b"ustar\x0000"
_BEFORE_SIZE: Final = {mode: b"%07o\0%07o\0%07o\0" % (mode, 0, 0) for mode in MODES}
_AFTER_CHECKSUM: Final = b"0" + bytes(100) + _MAGIC + bytes(32 + 32 + 8 + 8)
# A checksum counts itself as eight spaces.
_SUM_OF_THE_REST: Final = sum(b" " * 8) + sum(_AFTER_CHECKSUM)
_CHECKSUM: Final = slice(148, 156)
_KINDS: Final = {
    b"\0": "a file in the form of before POSIX",
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"5": "a folder",
    b"6": "a FIFO",
    b"7": "a contiguous file",
    b"D": "a GNU folder listing",
    b"K": "a GNU long link name",
    b"L": "a GNU long name",
    b"M": "a GNU continuation of another volume",
    b"S": "a GNU sparse file",
    b"V": "a GNU volume label",
    b"X": "a Solaris extended header",
    b"g": "a pax global header",
    b"x": "a pax extended header",
}


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says that is not the same in every header."""

    path: str
    size: int
    mode: int
    mtime: int


def padding_of(size: int) -> int:
    """Return how many zeros follow a file, so that the next header begins at a block."""
    return -size % BLOCK_BYTES


def fits_header(path: str) -> bool:
    """Tell whether a header can hold a path: 100 bytes, or a folder of up to 155 and a rest of up to 100."""
    return _split(path.encode()) is not None


def render_header(path: str, size: int, mode: int, mtime: int) -> bytes:
    """Return the one header for a file.

    Args:
        path: The path in the archive; `fits_header` holds.
        size: How many bytes the file has.
        mode: 0o644 or 0o755.
        mtime: The time of all files of the archive, in seconds since 1970.

    Raises:
        ValueError: The path does not fit.
    """
    parts = _split(path.encode())
    if parts is None:
        raise ValueError(f"{path!a} does not fit into a header of tar")
    prefix, name = parts
    before = b"%b%b%b%011o\0%011o\0" % (name, bytes(_NAME_BYTES - len(name)), _BEFORE_SIZE[mode], size, mtime)
    checksum = sum(before) + sum(prefix) + _SUM_OF_THE_REST
    after = b"%b%b%b" % (_AFTER_CHECKSUM, prefix, bytes(BLOCK_BYTES - 345 - len(prefix)))
    return b"%b%06o\0 %b" % (before, checksum, after)


def parse_header(block: bytes) -> Header:
    """Return what a header says.

    Args:
        block: 512 bytes, not all of them zero.

    Raises:
        UnsafeArchive: It is the header of something else than a regular file, or its path cannot be decoded.
        InvalidArchive: It is no header, or not the one that `render_header` returns for what it says.
    """
    _check_checksum(block)
    path = _decode_path(block)
    kind = block[156:157]
    if kind != b"0":
        what = _KINDS.get(kind, f"of the unknown type {kind!r}")
        raise UnsafeArchive(f"{path!a} in the archive is {what}. A package holds regular files only.")
    if block[257:265] != _MAGIC:
        raise InvalidArchive(f"The header of {path!a} is in a variant of tar ({block[257:265]!r}), not in ustar.")
    header = Header(
        path=path,
        size=_octal(block[124:136], "size", path),
        mode=_octal(block[100:108], "mode", path),
        mtime=_octal(block[136:148], "time", path),
    )
    if header.mode not in MODES:
        raise UnsafeArchive(f"{path!a} has the mode {header.mode:04o}. Files in a package have 0644 or 0755.")
    expected = render_header(path, header.size, header.mode, header.mtime) if fits_header(path) else b""
    if block != expected:
        raise InvalidArchive(
            f"The header of {path!a} is not as `cloacina build` writes it: {_first_difference(block, expected)}."
        )
    return header


def _split(path: bytes) -> tuple[bytes, bytes] | None:
    """Return the prefix and the name that hold a path: the shortest prefix that leaves a name short enough."""
    if len(path) <= _NAME_BYTES:
        return b"", path
    at = path.find(b"/", len(path) - _NAME_BYTES - 1)
    if 0 < at <= _PREFIX_BYTES and at < len(path) - 1:
        return path[:at], path[at + 1 :]
    return None


def _check_checksum(block: bytes) -> None:
    found = block[_CHECKSUM]
    expected = b"%06o\0 " % (sum(block) - sum(found) + sum(b" " * 8))
    if found != expected:
        raise InvalidArchive(
            f"Where a file should begin there is no header of tar: its checksum is {found!r}, and {expected!r} would"
            " be right."
        )


def _decode_path(block: bytes) -> str:
    name, prefix = block[:_NAME_BYTES].rstrip(b"\0"), block[345 : 345 + _PREFIX_BYTES].rstrip(b"\0")
    raw = prefix + b"/" + name if prefix else name
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise UnsafeArchive(f"The path {raw!r} in the archive is not UTF-8.") from None


def _octal(field: bytes, what: str, path: str) -> int:
    """Return a number that is written with leading zeros and a NUL at its end."""
    digits = field[:-1]
    if field[-1:] != b"\0" or not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise InvalidArchive(f"The {what} of {path!a} is {field!r}; expected octal digits and a NUL.")
    return int(digits, 8)


def _first_difference(block: bytes, expected: bytes) -> str:
    if not expected:
        return "its path does not fit into name and prefix"
    # The checksum is right for what is there, so it differs because another field does.
    name, found = next(
        (name, block[start:end])
        for name, start, end in _FIELDS
        if name != "chksum" and block[start:end] != expected[start:end]
    )
    shown = found.rstrip(b"\0")
    return f"the field {name} is {shown!r}"


_FIELDS: Final = (
    ("name", 0, 100),
    ("mode", 100, 108),
    ("uid", 108, 116),
    ("gid", 116, 124),
    ("size", 124, 136),
    ("mtime", 136, 148),
    ("chksum", 148, 156),
    ("typeflag", 156, 157),
    ("linkname", 157, 257),
    ("magic", 257, 263),
    ("version", 263, 265),
    ("uname", 265, 297),
    ("gname", 297, 329),
    ("devmajor", 329, 337),
    ("devminor", 337, 345),
    ("prefix", 345, 500),
    ("padding", 500, 512),
)
