"""A source file: read, checked to be UTF-8 text that Python can parse, and places in it as editors show them."""

from __future__ import annotations

import ast
import sys
import tokenize
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_SOURCE: Final = 4 * 1024 * 1024
"""How many bytes a source file may have. Parsing takes a hundred times as much memory."""

_LONGEST_SNIPPET: Final = 50
_UTF_8: Final = frozenset({"utf-8", "utf-8-sig", "ascii"})
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a source file.

    Attributes:
        file: The file's path relative to the project, with `/`.
        line: The line, from 1.
        column: The character in the line, from 1.
    """

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class UnreadableSource(Exception):
    """Raised when a file is no source that can be parsed.

    Attributes:
        place: Where.
        message: What was found, what was expected, and what to do.
    """

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message


@dataclass(frozen=True, slots=True)
class Source:
    r"""A parsed source file.

    Attributes:
        file: Its path relative to the project, with `/`.
        text: Its text, with `\n` at the ends of lines.
        tree: Its syntax tree.
    """

    file: str
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)
    _lines: list[str] = field(repr=False)

    def place(self, node: ast.expr | ast.stmt | ast.alias | ast.excepthandler) -> Place:
        """Return where a part of the syntax tree begins."""
        return Place(self.file, node.lineno, self._characters(node.lineno, node.col_offset) + 1)

    def snippet(self, node: ast.expr) -> str:
        """Return the text of an expression, cut to what fits into a message."""
        begin = self._characters(node.lineno, node.col_offset)
        line = self._lines[node.lineno - 1]
        if node.end_lineno == node.lineno and node.end_col_offset is not None:
            text = line[begin : self._characters(node.lineno, node.end_col_offset)]
        else:
            text = line[begin:].rstrip() + " …"
        return text if len(text) <= _LONGEST_SNIPPET else text[:_LONGEST_SNIPPET].rstrip() + " …"

    def text_of(self, node: ast.stmt) -> str:
        """Return the lines of a statement."""
        return "\n".join(self._lines[node.lineno - 1 : node.end_lineno])

    def _characters(self, line_number: int, byte_offset: int) -> int:
        """Return how many characters come before an offset, which syntax trees count in bytes."""
        line = self._lines[line_number - 1] if line_number <= len(self._lines) else ""
        if line.isascii():
            return byte_offset
        return len(line.encode("utf-8", "surrogatepass")[:byte_offset].decode("utf-8", "ignore"))


def read_source(path: Path, file: str) -> Source:
    """Read and parse a file.

    Args:
        path: The file.
        file: What to call it: its path relative to the project.

    Raises:
        UnreadableSource: It cannot be read, is too large, is not UTF-8 text, or is not Python.
    """
    text = _decoded(_bytes_of(path, file), file)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        tree = ast.parse(text, file)
    except SyntaxError as error:
        raise _not_python(error, text, file) from error
    except (RecursionError, MemoryError) as error:
        raise UnreadableSource(
            Place(file, 1, 1),
            "the source is nested deeper than Python can parse. Split the expression; data belongs into a data file",
        ) from error
    return Source(file, text, tree, text.split("\n"))


def _bytes_of(path: Path, file: str) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST_SOURCE + 1)
    except OSError as error:
        raise UnreadableSource(
            Place(file, 1, 1), f"the file cannot be read: {error.strerror or type(error).__name__}"
        ) from error
    if len(data) > LARGEST_SOURCE:
        raise UnreadableSource(
            Place(file, 1, 1),
            f"the file is larger than {LARGEST_SOURCE // 1024**2} MiB, which no written module is. Put data into a data"
            " file",
        )
    return data


def _decoded(data: bytes, file: str) -> str:
    if (at := data.find(b"\0")) >= 0:
        raise UnreadableSource(
            _place_of_byte(data, at, file), "there is a NUL byte, so this is no text. Save the file as UTF-8"
        )
    encoding = _declared_encoding(data, file)
    if encoding not in _UTF_8:
        raise UnreadableSource(
            Place(file, 1, 1),
            f"the file declares the encoding {encoding}; expected UTF-8. Save it as UTF-8 and remove the declaration",
        )
    try:
        return data.removeprefix(_BYTE_ORDER_MARK).decode("utf-8")
    except UnicodeDecodeError as error:
        at = error.start + (len(_BYTE_ORDER_MARK) if data.startswith(_BYTE_ORDER_MARK) else 0)
        raise UnreadableSource(
            _place_of_byte(data, at, file), f"byte 0x{data[at]:02x} is not UTF-8. Save the file as UTF-8"
        ) from error


def _declared_encoding(data: bytes, file: str) -> str:
    """Return the encoding that a comment in the first two lines declares, as PEP 263 has it; utf-8 without one."""
    head = data[:1024].splitlines(keepends=True)[:2]
    if not any(b"coding" in line for line in head):
        return "utf-8"
    lines = iter(head)
    try:
        return tokenize.detect_encoding(lambda: next(lines, b""))[0]
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UnreadableSource(
            Place(file, 1, 1), f"the encoding is not known: {error}. Save the file as UTF-8 and remove the declaration"
        ) from error


def _place_of_byte(data: bytes, at: int, file: str) -> Place:
    before = data[:at].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    line = before.rpartition(b"\n")[2].removeprefix(_BYTE_ORDER_MARK)
    return Place(file, before.count(b"\n") + 1, len(line.decode("utf-8", "replace")) + 1)


def _not_python(error: SyntaxError, text: str, file: str) -> UnreadableSource:
    last = text.count("\n") + 1
    line = min(max(error.lineno or 1, 1), last)
    version = ".".join(map(str, sys.version_info[:2]))
    return UnreadableSource(
        Place(file, line, max(error.offset or 1, 1)), f"Python {version} cannot parse this: {error.msg}"
    )
