"""Python blocks in the docstrings of a module: the blocks of one docstring share their names."""

from __future__ import annotations

import ast
from itertools import groupby
from typing import TYPE_CHECKING, Any

from docsite.samples.blocks import Block, SampleError, find_python_blocks
from docsite.samples.page import working_directory
from docsite.samples.python_blocks import difference, run_python

if TYPE_CHECKING:
    from pathlib import Path


def run_docstrings(module: Path, folder: Path, *, update: bool = False) -> int:
    """Run the Python blocks in the docstrings of a module, and return how many were run.

    Args:
        module: The module's file.
        folder: An empty folder, in which each docstring gets its own.
        update: Whether output that differs is written into the docstring instead of being an error.

    Raises:
        SampleError: When a block fails, or its output differs and is not to be updated.
    """
    text = module.read_text(encoding="utf-8")
    starts = _docstring_lines(text)
    blocks = find_python_blocks(module, text)
    changed: list[tuple[Block, str]] = []
    for start, group in groupby(blocks, key=lambda block: max(line for line in starts if line <= block.line)):
        names: dict[str, Any] = {}
        work, programs = folder / f"line-{start}", folder / f"programs-{start}"
        work.mkdir(parents=True)
        programs.mkdir()
        with working_directory(work):
            for block in group:
                real = run_python(block, names, programs)
                if real is not None:
                    if not update:
                        raise SampleError(difference(block, real))
                    changed.append((block, real))
    for block, real in reversed(changed):
        text = text[: block.start] + block.in_page(real) + text[block.end :]
    if changed:
        module.write_text(text, encoding="utf-8")
    return len(blocks)


def _docstring_lines(text: str) -> list[int]:
    return [
        node.body[0].lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and ast.get_docstring(node, clean=False) is not None
    ] + [
        # A string below an attribute documents it; editors and the reference show it like a docstring.
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
