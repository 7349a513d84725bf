"""The guard: it reads the fences of a page by itself, so that no block of code escapes the tools that run blocks.

Those tools have gaps. Behind a fence of four backticks one of them loses every later block, it never sees `~~~`, and
code that is only indented is seen by none. The guard refuses all of these, and compares what it counts with what the
tools found and with what the page shows once it is rendered.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import markdown
from mkdocs.config import load_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from docsite.samples.blocks import Block

RUN = frozenset({"python", "console", "toml", "json", "yaml", "sql"})
"""Languages whose blocks are run, or at least read as what they claim to be."""

SHOWN = frozenset({"text"})
"""Languages of blocks that are only shown. Nothing in them can be wrong but the prose."""

_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<quote>(?:>[ ]?)*)(?P<ticks>`{3,}|~{3,})(?P<info>.*)$")
_DOCTEST = re.compile(r"^[ \t]*>>> ")
_PREFORMATTED = re.compile(r"<pre\b")


@dataclass(frozen=True)
class Fence:
    """An opening fence."""

    line: int
    ticks: str
    language: str
    odd: str | None


def guard_page(page: Path, blocks: Iterable[Block], project: Path) -> list[str]:
    """Return the blocks of a page that would escape, and what could hide one.

    Args:
        page: A page in Markdown.
        blocks: What the tools that run blocks found on it.
        project: The folder of mkdocs.yml, whose extensions render the page.
    """
    text = page.read_text(encoding="utf-8")
    fences, defects = _read(text, str(page))
    found = {block.line for block in blocks}
    counted = {fence.line for fence in fences}
    defects += [
        f"{page}:{fence.line}: no tool that runs blocks found this one"
        for fence in fences
        if fence.language in RUN and fence.line not in found
    ]
    defects += [f"{page}:{line}: a block was found where the guard sees no fence" for line in sorted(found - counted)]
    shown = len(_PREFORMATTED.findall(_render(text, project)))
    if shown != len(fences):
        defects.append(
            f"{page}: the page shows {shown} blocks of code, but has {len(fences)} fences; "
            "code that is only indented is not run: put it between fences"
        )
    return defects


def guard_docstrings(module: Path) -> list[str]:
    """Return what in the docstrings of a module would escape: only fenced Python is run, only `text` is shown."""
    defects = []
    for line, docstring in _docstrings(module):
        fences, odd = _read(docstring, str(module), line)
        defects += odd
        defects += [
            f"{module}:{fence.line}: `{fence.language}` in a docstring is not run; use python, or text"
            for fence in fences
            if fence.language in RUN - {"python"}
        ]
        defects += _doctests(docstring, module, line)
    return defects


def guard_tutorial(tutorial: Path) -> list[str]:
    """Return the fences in the text of a tutorial that hold code: there, only cells are executed."""
    comments = "\n".join(
        line.removeprefix("#").removeprefix(" ") if line.startswith("#") else ""
        for line in tutorial.read_text(encoding="utf-8").splitlines()
    )
    fences, defects = _read(comments, str(tutorial))
    return defects + [
        f"{tutorial}:{fence.line}: `{fence.language}` in the text of a tutorial is not run; make it a cell, or text"
        for fence in fences
        if fence.language in RUN
    ]


def _read(text: str, name: str, first_line: int = 1) -> tuple[list[Fence], list[str]]:
    """Return the opening fences of a text, and what is odd about any of them."""
    fences: list[Fence] = []
    opened: Fence | None = None
    for line, content in enumerate(text.splitlines(), start=first_line):
        match = _FENCE.match(content)
        if match is None:
            continue
        if opened is not None:
            if match["ticks"].startswith(opened.ticks) and not match["info"].strip():
                opened = None
            continue
        opened = Fence(line, match["ticks"], _language(match["info"]), _oddity(match))
        fences.append(opened)
    defects = [f"{name}:{fence.line}: {fence.odd}" for fence in fences if fence.odd is not None]
    if opened is not None:
        defects.append(f"{name}:{opened.line}: this fence is never closed")
    return fences, defects


def _oddity(match: re.Match[str]) -> str | None:
    """Return why blocks behind a fence like this one could escape, or None."""
    language = _language(match["info"])
    if match["ticks"].startswith("~"):
        return "a block behind `~~~` is never run; use three backticks"
    if len(match["ticks"]) > 3:  # noqa: PLR2004 - the length of a fence
        return f"a fence of {len(match['ticks'])} backticks hides the blocks behind it; use three"
    if "\t" in match["indent"]:
        return "a fence indented by a tab may not be seen; use spaces"
    if match["quote"]:
        return "a block in a quotation is not run; put it outside"
    if not language:
        return "a fence says which language it holds; for plain text, `text`"
    if language not in RUN | SHOWN:
        return f"`{language}` is neither run nor listed as only shown; there are: {', '.join(sorted(RUN | SHOWN))}"
    return None


def _language(info: str) -> str:
    words = info.split()
    return words[0].lower() if words else ""


def _render(text: str, project: Path) -> str:
    extensions, configs = _markdown_extensions(project)
    without_front_matter = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    return markdown.Markdown(extensions=extensions, extension_configs=configs).convert(without_front_matter)


@lru_cache
def _markdown_extensions(project: Path) -> tuple[list[str], dict[str, Any]]:
    config = load_config(str(project / "mkdocs.yml"))
    # Parts of files that a page includes are left out: they stand inside of fences, which are counted.
    extensions = [name for name in config.markdown_extensions if name != "pymdownx.snippets"]
    return extensions, {name: value for name, value in config.mdx_configs.items() if name in extensions}


def _docstrings(module: Path) -> Iterator[tuple[int, str]]:
    """Yield the line on which each docstring begins, and its text as it stands in the file."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node, clean=False)
            if text is not None:
                yield node.body[0].lineno, text


def _doctests(docstring: str, module: Path, first_line: int) -> list[str]:
    return [
        f"{module}:{line}: a `>>>` example is not run; put plain Python between fences, its output behind `#>`"
        for line, content in enumerate(docstring.splitlines(), start=first_line)
        if _DOCTEST.match(content)
    ]
