"""CONTENTS: one line for each file of a package, with its hash, size, mode and path."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloacina.errors import ArchiveLimitExceeded, InvalidArchive
from cloacina.packaging.archive.limits import MAX_ENTRIES, MAX_FILE_BYTES, MAX_UNPACKED_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_CHUNK_BYTES = 1024 * 1024
_LINE = re.compile(r"([0-9a-f]{64})  (0|[1-9][0-9]{0,18})  (0644|0755)  ([^\x00-\x1f\x7f]+)")
_MODES: Final = {"0644": 0o644, "0755": 0o755}


@dataclass(frozen=True, slots=True)
class ContentsEntry:
    """A file of a package, as CONTENTS lists it.

    Attributes:
        sha256: The hash of its bytes, 64 hexadecimal digits.
        size: How many bytes it has.
        mode: 0o644, or 0o755 for what can be executed.
        path: Where it is in the archive, with `/` between the parts.
    """

    sha256: str
    size: int
    mode: int
    path: str

    def line(self) -> str:
        """Return the entry's line in CONTENTS, without its end."""
        return f"{self.sha256}  {self.size}  {self.mode:04o}  {self.path}"


@dataclass(frozen=True, slots=True)
class Member:
    """A file that is to be packed.

    Attributes:
        path: Where it is in the archive, with `/` between the parts.
        source: Its bytes, or the file that holds them.
        mode: 0o644, or 0o755 for what can be executed.
    """

    path: str
    source: bytes | Path
    mode: int = 0o644

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes of the file, about a megabyte at a time.

        Raises:
            OSError: The file cannot be read.
        """
        if isinstance(self.source, bytes):
            yield self.source
            return
        with self.source.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk


def path_order(path: str) -> bytes:
    """Return what paths are sorted by: their bytes, which every system compares alike."""
    return path.encode("utf-8", "surrogateescape")


def describe_member(member: Member) -> ContentsEntry:
    """Return the line that a file has in CONTENTS; reads the file.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    size = 0
    for chunk in member.chunks():
        digest.update(chunk)
        size += len(chunk)
    return ContentsEntry(digest.hexdigest(), size, member.mode, member.path)


def render_contents(entries: Iterable[ContentsEntry]) -> bytes:
    """Return CONTENTS for files in any order.

    Example:
        ```python
        from cloacina.packaging.archive import Member, describe_member, render_contents

        entry = describe_member(Member("workflow/a.py", b"A = 1", 0o644))
        print(render_contents([entry]).decode()[:30])
        #> d585f16be25710ebf0b2ce8d164690
        ```
    """
    ordered = sorted(entries, key=lambda entry: path_order(entry.path))
    return "".join(f"{entry.line()}\n" for entry in ordered).encode()


def parse_contents(data: bytes) -> tuple[ContentsEntry, ...]:
    """Return the entries of CONTENTS.

    Only what `render_contents` writes is accepted, so that there is one CONTENTS for one content. Whether the paths are
    safe is not looked at here.

    Args:
        data: The bytes of CONTENTS.

    Raises:
        InvalidArchive: A line is not as it is written, or the lines are not sorted, or name a path twice.
        ArchiveLimitExceeded: The entries are too many, or too large.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as problem:
        raise InvalidArchive(
            f"CONTENTS is not UTF-8 text: byte {problem.start} is 0x{data[problem.start]:02x}."
        ) from None
    lines = text.split("\n")
    if lines.pop():
        raise InvalidArchive("The last line of CONTENTS has no end; each line must end with a line feed.")
    if len(lines) > MAX_ENTRIES:
        raise ArchiveLimitExceeded(f"CONTENTS lists {len(lines):,} files; a package may hold {MAX_ENTRIES:,}.")
    entries: list[ContentsEntry] = []
    previous = b""
    total = 0
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise InvalidArchive(
                f"Line {number} of CONTENTS is {line[:120]!a}; expected 'sha256  size  mode  path' as `cloacina build`"
                " writes it."
            )
        sha256, size, mode, path = match.groups()
        entry = ContentsEntry(sha256, int(size), _MODES[mode], path)
        key = path.encode()
        if key <= previous:
            reason = "is listed twice" if key == previous else "is not in the order of its bytes"
            raise InvalidArchive(f"Line {number} of CONTENTS: {path!a} {reason}.")
        previous = key
        _check_sizes(entry, total := total + entry.size)
        entries.append(entry)
    return tuple(entries)


def _check_sizes(entry: ContentsEntry, total: int) -> None:
    if entry.size > MAX_FILE_BYTES:
        raise ArchiveLimitExceeded(
            f"CONTENTS lists {entry.path!a} with {entry.size:,} bytes; a file in a package may have {MAX_FILE_BYTES:,}."
        )
    if total > MAX_UNPACKED_BYTES:
        raise ArchiveLimitExceeded(
            f"CONTENTS lists files of more than {MAX_UNPACKED_BYTES:,} bytes in all, which is what a package may hold."
        )
