"""The blocks of code of a page, and the marks that stand above them.

A mark is a comment on the line above a fence, invisible on the page::

    <!-- not run: needs an account at a cloud provider -->
    <!-- varies: ids, times -->
    <!-- exit code: 1 -->
    <!-- run by: uv run pytest -->

Python is found by pytest-examples, every other language by Sybil. The guard in `fences.py` counts with neither.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_examples import find_examples
from sybil import Document
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MARKS = frozenset({"not run", "varies", "exit code", "run by"})

_INFO = re.compile(r"(?P<info>[^\n]*)$\n", re.MULTILINE)
_TITLE = re.compile(r'\btitle="(?P<title>[^"]+)"')
_MARKS_ABOVE = re.compile(r"(?:^[ ]*<!-- [a-z ]+: .* -->\n)+\Z", re.MULTILINE)
_MARK = re.compile(r"<!-- (?P<name>[a-z ]+): (?P<value>.*) -->")


class SampleError(Exception):
    """Raised when a block fails, prints something else than the page says, or could escape being run."""


@dataclass(frozen=True)
class Block:
    """A block of code on a page.

    Attributes:
        path: The page.
        line: The line of the opening fence, counted from 1.
        language: The language of the fence, such as `python`.
        title: The file name that the page shows above the block, if any.
        source: The code, without the indentation of the block.
        start: Where the code begins in the text of the page.
        end: Where it ends.
        indent: By how many spaces the block is indented.
        marks: What the comments above the fence say, by their names.
    """

    path: Path
    line: int
    language: str
    title: str | None
    source: str
    start: int
    end: int
    indent: int
    marks: Mapping[str, str]

    @property
    def where(self) -> str:
        """Return the place of the block for a message."""
        return f"{self.path}:{self.line}"

    @property
    def included(self) -> bool:
        """Return whether the block holds nothing but parts of files, which are run where they come from."""
        lines = self.source.strip().splitlines()
        return bool(lines) and all(line.lstrip().startswith("--8<--") for line in lines)

    def in_page(self, source: str) -> str:
        """Return code as it stands in the page, indented as the block is."""
        return "".join(" " * self.indent + line if line.strip() else line for line in source.splitlines(keepends=True))


def find_blocks(page: Path) -> list[Block]:
    """Return the blocks of a page in their order.

    Raises:
        SampleError: When a mark above a block has an unknown name.
    """
    text = page.read_text(encoding="utf-8")
    blocks = [*find_python_blocks(page, text), *_other_blocks(page, text)]
    return sorted((_marked(block, text) for block in blocks), key=lambda block: block.line)


def find_python_blocks(file: Path, text: str) -> list[Block]:
    """Return the Python blocks of a page, or of the docstrings of a module.

    Args:
        file: The page or the module.
        text: What it holds.
    """
    lines = text.splitlines()
    blocks = []
    for example in find_examples(file):
        info = lines[example.start_line - 1].strip().removeprefix("```")
        # The tool takes every language that begins with `py` for Python.
        if _language(info) == "python":
            blocks.append(
                Block(
                    path=file,
                    line=example.start_line,
                    language="python",
                    title=_title(info),
                    source=example.source,
                    start=example.start_index,
                    end=example.end_index,
                    indent=example.indent,
                    marks={},
                )
            )
    return blocks


def _other_blocks(page: Path, text: str) -> Iterator[Block]:
    for region in RawFencedCodeBlockLexer(_INFO)(Document(text, str(page))):
        info = region.lexemes["info"]
        if _language(info) == "python":
            continue
        source = region.lexemes["source"]
        start = text.index("\n", region.start) + 1
        closing_fence = text.rindex("\n", start - 1, region.end) + 1
        yield Block(
            path=page,
            line=text.count("\n", 0, region.start) + 1,
            language=_language(info),
            title=_title(info),
            source=str(source),
            start=start,
            end=closing_fence,
            indent=len(text[region.start : start]) - len(text[region.start : start].lstrip(" ")),
            marks={},
        )


def _language(info: str) -> str:
    words = info.split()
    return words[0].lower() if words else ""


def _title(info: str) -> str | None:
    found = _TITLE.search(info)
    return found["title"] if found else None


def _marked(block: Block, text: str) -> Block:
    before = "".join(text.splitlines(keepends=True)[: block.line - 1])
    above = _MARKS_ABOVE.search(before)
    if above is None:
        return block
    marks = {mark["name"]: mark["value"] for mark in _MARK.finditer(above[0])}
    if unknown := marks.keys() - MARKS:
        names = ", ".join(sorted(unknown))
        raise SampleError(f"{block.where}: unknown mark `{names}`; there are: {', '.join(sorted(MARKS))}")
    return replace(block, marks=marks)
