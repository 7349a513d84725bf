"""RECORD: what a wheel says it installed, read, and written anew for what a package carries of it.

Source: the specification "Recording installed projects" on packaging.python.org.
"""

from __future__ import annotations

import csv
from base64 import urlsafe_b64decode, urlsafe_b64encode
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ALGORITHM = "sha256"
_HEX_DIGITS = 64


def read_record(text: str) -> dict[str, str | None]:
    """Return the sha256 of each file that a RECORD lists, as hexadecimal digits.

    Args:
        text: The content of the file.

    Returns:
        Paths relative to the folder that was installed into, with `/`. None is for a file without a hash, or with one
        of another algorithm.

    Raises:
        ValueError: A line has no path, or its hash is not one.
    """
    listed: dict[str, str | None] = {}
    for row in csv.reader(StringIO(text)):
        if not row:
            continue
        path, digest = row[0].replace("\\", "/"), row[1] if len(row) > 1 else ""
        if not path:
            raise ValueError("a line without a path")
        algorithm, _, encoded = digest.partition("=")
        listed[path] = _decode(encoded) if algorithm == _ALGORITHM else None
    return listed


def render_record(record_path: str, files: Iterable[tuple[str, str, int]]) -> bytes:
    """Return a RECORD in the one form that is the same on every machine.

    Lines are sorted by the bytes of their paths and end with a line feed; the file's own line has neither hash nor
    size.

    Args:
        record_path: Where the file itself lies.
        files: The path, the sha256 as hexadecimal digits, and the size in bytes of each other file.
    """
    rows: Mapping[str, tuple[str, str]] = {
        **{path: (f"{_ALGORITHM}={_encode(sha256)}", str(size)) for path, sha256, size in files},
        record_path: ("", ""),
    }
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([path, *rows[path]] for path in sorted(rows, key=str.encode))
    return text.getvalue().encode()


def _decode(encoded: str) -> str:
    digest = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()
    if len(digest) != _HEX_DIGITS:
        raise ValueError(f"{encoded!r} is no sha256")
    return digest


def _encode(sha256: str) -> str:
    return urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()
