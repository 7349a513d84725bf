"""What a package cannot hold: links, special and unreadable files, and names that some system has no place for."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

from cloacina.errors import UnpackableFile, UnsafeArchive
from cloacina.packaging.archive.limits import MAX_ENTRIES, MAX_FILE_BYTES, MEBIBYTE
from cloacina.packaging.archive.names import PathRegistry, check_path
from cloacina.packaging.archive.standard_library import standard_library_names

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_MOST_SHOWN: Final = 20  # files, in one message
_KINDS: Final = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}
_PACKED_BELOW: Final = "workflow/"
_RUN_AT_START: Final = ("sitecustomize", "usercustomize")
# USTAR has two fields for a path, which is split between them at a slash.
_USTAR_NAME, _USTAR_PREFIX = 100, 155  # bytes


class Refusals:
    """The files that cannot be packed, to be told all at once.

    Args:
        pythons: The Pythons that the package is built for, such as `3.11`.
    """

    def __init__(self, pythons: Iterable[str]) -> None:
        self._found: list[tuple[str, str]] = []
        self._standard_library = frozenset[str]().union(
            *(standard_library_names((3, int(python.partition(".")[2]))) for python in pythons)
        )

    def of_reading(self, path: str, error: OSError) -> None:
        """Refuse a file or a folder that cannot be read."""
        if isinstance(error, FileNotFoundError):
            reason = "was there a moment ago, and is gone; let nothing else change the project meanwhile"
        else:
            reason = f"cannot be read: {error.strerror}"
        self._found.append((path, reason))

    def of_file(self, path: str, target: str, file: Path, status: os.stat_result) -> bool:
        """Refuse a file for what it is or for its name, and return whether it was refused.

        Args:
            path: Its path in the project.
            target: Its path below `workflow/`.
            file: Where it is.
            status: Of the file itself, not of what it links to.
        """
        reason = _kind(file, status) or self._name(target)
        if reason is not None:
            self._found.append((path, reason))
        return reason is not None

    def check_together(self, files: Iterable[tuple[str, str]]) -> None:
        """Refuse files that cannot be beside each other, and too many of them.

        Args:
            files: The path below `workflow/` and the path in the project of each.
        """
        registry, count = PathRegistry(), 0
        for target, path in sorted(files):
            count += 1
            try:
                registry.add(target)
            except UnsafeArchive as error:
                self._found.append((path, f"collides with another file: {error.message.rstrip('.')}"))
        if count > MAX_ENTRIES:
            self._found.append(("The project", f"has {count} files to pack; a package holds at most {MAX_ENTRIES}"))

    def raise_if_any(self) -> None:
        """Raise one error that tells of all files, sorted.

        Raises:
            UnpackableFile: There are such files.
        """
        found = sorted(self._found)
        if not found:
            return
        lines = [f"{_shown(path)} {reason}." for path, reason in found[:_MOST_SHOWN]]
        advice = "Mend it, or leave it out: [tool.cloacina] exclude."
        if len(found) == 1:
            raise UnpackableFile(f"{lines[0]} {advice}")
        if more := len(found) - len(lines):
            lines.append(f"And {more} more.")
        heading = f"{len(found)} files cannot be packed. Mend them, or leave them out: [tool.cloacina] exclude."
        raise UnpackableFile("\n  ".join([heading, *lines]))

    def _name(self, target: str) -> str | None:
        try:
            encoded = (_PACKED_BELOW + target).encode()
        except UnicodeEncodeError:
            return "has a name that is not UTF-8"
        try:
            check_path(_PACKED_BELOW + target)
        except UnsafeArchive as error:
            return f"has a name that a package cannot hold: {error.message.rstrip('.')}"
        if not _fits_into_ustar(encoded):
            return (
                f"has a path that is too long ({len(encoded)} bytes as {_PACKED_BELOW}{target}): a name has at most"
                f" {_USTAR_NAME} bytes, and the folders before it {_USTAR_PREFIX}"
            )
        top, _, below = target.partition("/")
        module = top.partition(".")[0] if not below else top
        if module in _RUN_AT_START or (not below and top.endswith(".pth")):
            return "would run whenever Python starts"
        if module == "cloacina":
            return "hides Cloacina itself"
        if module in self._standard_library:
            return f"hides the module {module} of the standard library"
        return None


def _kind(file: Path, status: os.stat_result) -> str | None:
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFLNK:
        return f"is a link to {_shown(os.readlink(file))}; a package holds no links, because not every system has them"  # noqa: PTH115
    if kind != stat.S_IFREG:
        return f"is {_KINDS.get(kind, 'neither a file nor a folder')}"
    if status.st_size > MAX_FILE_BYTES:
        size, limit = status.st_size / MEBIBYTE, MAX_FILE_BYTES // MEBIBYTE
        return f"has {size:,.1f} MiB; a file in a package has at most {limit} MiB"
    return None


def _fits_into_ustar(path: bytes) -> bool:
    if len(path) <= _USTAR_NAME:
        return True
    cuts = (index for index, byte in enumerate(path) if byte == ord("/"))
    return any(cut <= _USTAR_PREFIX and len(path) - cut - 1 <= _USTAR_NAME for cut in cuts)


def _shown(path: str) -> str:
    """Return a path as text that any terminal can show."""
    return path if path.isprintable() else ascii(path)
