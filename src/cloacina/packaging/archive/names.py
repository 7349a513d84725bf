"""Which paths a package may hold: those that every file system keeps apart, and that stay in their folder."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from cloacina.errors import UnsafeArchive
from cloacina.packaging.archive.limits import MAX_COMPONENT_BYTES, MAX_DEPTH, MAX_PATH_BYTES

# What almost all names are; none of them needs a second look, but for a device of Windows and a dot at the end.
_PLAIN = re.compile(r"[A-Za-z0-9_.+\-]*[A-Za-z0-9_+\-]")
# `\` and `:` lead out of the folder on Windows; the rest are names that Windows cannot hold.
_FORBIDDEN = re.compile(r'[\\:<>"|?*]')
_CATEGORIES: Final = {
    "Cc": "a control character",
    "Cf": "an invisible or direction-changing character",
    "Cs": "half of a surrogate pair: the name is not UTF-8",
    "Co": "a character for private use",
    "Cn": "a character that Unicode does not define",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}
_DEVICES: Final = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    # NFKC has made the superscript digits, which Windows takes as well, plain ones.
    + [f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789"]
)


def check_path(path: str) -> None:
    """Refuse a path that is not the same plain path inside its folder on every system.

    Args:
        path: The path in the archive, with `/` between its parts, such as ``workflow/pipeline/tasks.py``.

    Raises:
        UnsafeArchive: The path is empty, absolute, longer than 1024 bytes or 32 parts; or one of its parts is `.` or
            `..`, longer than 255 bytes, not in NFC, the name of a device of Windows, ends with a dot or a space, or
            holds a character that is invisible, changes the direction of writing, or has a meaning to a file system.

    Example:
        ```python
        from cloacina.errors import UnsafeArchive
        from cloacina.packaging.archive import check_path

        check_path("workflow/pipeline/tasks.py")
        try:
            check_path("workflow/../../passwd")
        except UnsafeArchive as error:
            print(error.message)
            #> The path 'workflow/../../passwd' has the part '..'. It must be plain, relative and portable.
        ```
    """
    parts = path.split("/")
    if len(path) * 4 > MAX_PATH_BYTES and len(path.encode("utf-8", "surrogatepass")) > MAX_PATH_BYTES:
        raise _unsafe(path, f"is longer than {MAX_PATH_BYTES} bytes")
    if len(parts) > MAX_DEPTH:
        raise _unsafe(path, f"has {len(parts)} parts; a path may have {MAX_DEPTH}")
    for part in parts:
        problem = _problem_of(part)
        if problem is not None:
            raise _unsafe(path, "is absolute" if path.startswith("/") else problem)


@lru_cache(maxsize=8192)
def fold(name: str) -> str:
    """Return what names that some file system takes for one have in common: no case, compatible forms as one."""
    if name.isascii():
        return name.lower()
    compatible = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", compatible).casefold()


@lru_cache(maxsize=8192)
def _problem_of(part: str) -> str | None:
    """Return what is wrong with one part of a path, as the end of a sentence."""
    if not part:
        return "has an empty part: two slashes, or one at its end"
    if part in {".", ".."}:
        return f"has the part {part!r}"
    if len(part.encode("utf-8", "surrogatepass")) > MAX_COMPONENT_BYTES:
        return f"has a part of more than {MAX_COMPONENT_BYTES} bytes"
    if not _PLAIN.fullmatch(part):
        problem = _problem_of_characters(part)
        if problem is not None:
            return problem
    folded = fold(part)
    if folded.split(".", 1)[0].rstrip(" ") in _DEVICES:
        return f"has the part {part!a}, which is a device on Windows"
    return None


def _problem_of_characters(part: str) -> str | None:
    for character in part:
        kind = _CATEGORIES.get(unicodedata.category(character))
        if kind is not None:
            return f"holds U+{ord(character):04X}, {kind}"
    if match := _FORBIDDEN.search(part):
        return f"holds {match[0]!r}, which has a meaning of its own on Windows"
    if part[-1] in ". ":
        return f"has the part {part!a}, which ends with a {'dot' if part[-1] == '.' else 'space'}"
    if not unicodedata.is_normalized("NFC", part):
        return f"has the part {part!a}, which is not in the normal form NFC"
    folded = fold(part)
    if "/" in folded or "\\" in folded or folded in {".", ".."}:
        return f"has the part {part!a}, which some systems take for {folded!a}"
    return None


def _unsafe(path: str, problem: str) -> UnsafeArchive:
    shown = ascii(path if len(path) <= 160 else f"{path[:160]}…")  # noqa: PLR2004 - two lines of a terminal
    return UnsafeArchive(f"The path {shown} {problem}. It must be plain, relative and portable.")


class PathRegistry:
    """The paths of one folder tree, no two of which may be one file on some file system.

    Args:
        below: A registry whose paths are in the same tree, and which is complete; it is not changed.
    """

    def __init__(self, below: PathRegistry | None = None) -> None:
        self._below = below
        self._files: dict[str, str] = {}
        self._folders: dict[str, str] = {"": ""}
        self._folded: dict[str, str] = {"": ""}

    @property
    def folder_count(self) -> int:
        """How many folders the paths name, without the one that they are in."""
        return len(self._folders) - 1

    def add(self, path: str) -> None:
        """Add the path of a file.

        Raises:
            UnsafeArchive: The path is there already, differs from another one in case or in compatible characters only,
                or is a folder of another one, or the other way round.
        """
        folder, _, name = path.rpartition("/")
        above = self._folded.get(folder)
        if above is None:
            above = self._add_folder(folder)
        folded = f"{above}/{fold(name)}" if above else fold(name)
        other = self._file(folded)
        if other is not None:
            what = "is in the package twice" if other == path else f"and {other!a} are one file on some systems"
            raise UnsafeArchive(f"{path!a} {what}. Each path must be there once, whatever the case of its letters.")
        if (inner := self._folder(folded)) is not None:
            raise UnsafeArchive(
                f"{path!a} is a file, and {inner!a} a folder with files. A path can only be one of them."
            )
        self._files[folded] = path

    def _add_folder(self, folder: str) -> str:
        """Add a folder and those above it, and return how it is folded."""
        above, _, name = folder.rpartition("/")
        parent = self._folded.get(above)
        if parent is None:
            parent = self._add_folder(above)
        folded = f"{parent}/{fold(name)}" if parent else fold(name)
        if (file := self._file(folded)) is not None:
            raise UnsafeArchive(
                f"{file!a} is a file, and {folder!a} a folder with files. A path can only be one of them."
            )
        other = self._folder(folded)
        if other is not None and other != folder:
            raise UnsafeArchive(
                f"The folders {folder!a} and {other!a} are one on some systems. Spell a folder in one way."
            )
        self._folders[folded] = folder
        self._folded[folder] = folded
        return folded

    def _file(self, folded: str) -> str | None:
        found = self._files.get(folded)
        if found is None and self._below is not None:
            return self._below._file(folded)  # noqa: SLF001 - of the same class
        return found

    def _folder(self, folded: str) -> str | None:
        found = self._folders.get(folded)
        if found is None and self._below is not None:
            return self._below._folder(folded)  # noqa: SLF001 - of the same class
        return found
