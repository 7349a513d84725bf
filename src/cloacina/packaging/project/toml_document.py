"""A TOML file that knows on which line each of its keys stands, for messages about it."""

from __future__ import annotations

import codecs
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from cloacina.errors import InvalidProject

if TYPE_CHECKING:
    from pathlib import Path

_PLACE: Final = re.compile(
    r"(?P<reason>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL
)
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class TomlDocument:
    """What a TOML file holds.

    Attributes:
        shown: The file's path as the user gave it.
        text: The file's text, its lines ended by line feeds alone.
        values: The tables and keys.
    """

    shown: str
    text: str
    values: dict[str, Any]

    def line_of(self, *keys: str) -> int | None:
        """Return the line on which a table or a key begins, counted from 1; None when the file does not have it.

        Nothing in the standard library tells. But the parts of the file that end with a whole statement can be parsed
        by themselves, and of those the shortest that has the key ends with the statement that brings it. That is exact
        for every notation: headers, dotted keys, inline tables, and values of several lines.
        """
        lines = self.text.split("\n")
        if _find(self.values, keys) is _ABSENT:
            return None
        low, high = 1, len(lines)
        while low < high:
            middle = (low + high) // 2
            whole, values = _longest_whole(lines, middle)
            if _find(values, keys) is _ABSENT:
                low = middle + 1
            else:
                high = whole
        before, _ = _longest_whole(lines, low - 1)
        return before + 1


def read_toml(path: Path, shown: str) -> TomlDocument:
    """Read a TOML file.

    Args:
        path: The file.
        shown: Its path, as messages show it.

    Raises:
        InvalidProject: It cannot be read, or is not UTF-8 or not TOML; the message has the line and the column.
        FileNotFoundError: There is no such file.
        NotADirectoryError: What should be its folder is a file.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise InvalidProject(f"{shown} cannot be read: {error.strerror}.") from error
    if data.startswith(_UTF_16):
        raise InvalidProject(f"{shown} is UTF-16 text; expected UTF-8. Save it as UTF-8.")
    if data.startswith(codecs.BOM_UTF8):
        raise InvalidProject(
            f"{shown}, line 1, begins with a byte order mark, which TOML does not allow. Save it as UTF-8 without BOM."
        )
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise InvalidProject(
            f"{shown}, line {line}, byte {column}, is not UTF-8 text (0x{data[error.start]:02X}). Save it as UTF-8."
        ) from error
    try:
        return TomlDocument(shown, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidProject(_not_toml(shown, str(error), text)) from error
    except RecursionError as error:
        raise InvalidProject(f"{shown} is nested too deeply to be read.") from error


_ABSENT: Final = object()


def _find(values: object, keys: tuple[str, ...]) -> object:
    for key in keys:
        if not isinstance(values, dict) or key not in values:
            return _ABSENT
        values = cast("dict[str, object]", values)[key]
    return values


def _longest_whole(lines: list[str], count: int) -> tuple[int, dict[str, Any]]:
    """Return the longest beginning, of at most `count` lines, that is TOML by itself: its length and its values."""
    for length in range(count, 0, -1):
        try:
            return length, tomllib.loads("\n".join(lines[:length]) + "\n")
        except tomllib.TOMLDecodeError:
            continue
    return 0, {}


def _not_toml(shown: str, message: str, text: str) -> str:
    match = _PLACE.fullmatch(message)
    reason, line, column = match.group("reason", "line", "column") if match else (message, None, None)
    if line is None:
        return f"{shown} is not TOML: {_lower(reason)} at its end."
    wrong = text.split("\n")[int(line) - 1].strip()
    return f"{shown}, line {line}, column {column}, is not TOML: {_lower(reason)}. The line reads: {wrong[:80]}"


def _lower(reason: str) -> str:
    return reason[:1].lower() + reason[1:]
