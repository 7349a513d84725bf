"""Python blocks: run as a program, with the names of the blocks before, and compared with what the page shows.

What a `print` shows stands below it, as pytest-examples writes it: `#> ` before each line. All of it is taken out
before the block runs, and put back from what was printed, so that output below a `print` that never ran is noticed.
"""

from __future__ import annotations

import ast
import difflib
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pytest_examples.config import ExamplesConfig
from pytest_examples.find_examples import CodeExample
from pytest_examples.run_code import run_code

from docsite.samples.blocks import SampleError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from docsite.samples.blocks import Block

_CONFIG = ExamplesConfig(line_length=100)


def run_python(block: Block, names: dict[str, Any], folder: Path) -> str | None:
    """Run a Python block.

    Args:
        block: The block.
        names: The names that the blocks before it defined; what it defines is added.
        folder: Where the code is put while it runs, so that its source can be read.

    Returns:
        The block with the output that it really has, None when it shows just that.

    Raises:
        SampleError: When the block raises.
    """
    code = without_output(block.source)
    example = CodeExample.create(code, path=block.path, start_line=block.line)
    program = folder / f"{example.module_name}.py"
    program.write_text(code, encoding="utf-8")
    main = sys.modules["__main__"]
    try:
        inserted, defined = run_code(
            example=example,
            python_file=program,
            loader=None,
            config=_CONFIG,
            enable_print_mock=True,
            print_callback=None,
            include_print=None,
            module_globals=names,
            call=None,
        )
    except Exception as error:
        place = _place(error, block)
        # The frame that pytest-examples puts in here stands for the page, and is too empty to be shown.
        error.__traceback__ = None
        raise SampleError(f"{place}: the block raised {type(error).__name__}: {error}") from error
    finally:
        sys.modules["__main__"] = main
    names.update(defined)
    real = inserted.updated_print_statements(example) or code
    return None if _lines(real) == _lines(block.source) else real


def _place(error: Exception, block: Block) -> str:
    """Return the line of the page on which a block raised."""
    lines = [frame.tb_lineno for frame in _frames(error) if frame.tb_frame.f_code.co_filename == str(block.path)]
    return f"{block.path}:{lines[-1]}" if lines else block.where


def _frames(error: Exception) -> Iterator[TracebackType]:
    frame = error.__traceback__
    while frame is not None:
        yield frame
        frame = frame.tb_next


def difference(block: Block, real: str) -> str:
    """Return what a block shows and what it really prints, as a difference."""
    lines = difflib.unified_diff(_lines(block.source), _lines(real), "the page shows", "it printed", lineterm="")
    return f"{block.where}: the printed output differs\n" + "\n".join(lines)


def without_output(source: str) -> str:
    """Return a block without the output that it shows below its `print` calls."""
    shown = set(_long_output(source))
    lines = enumerate(source.splitlines(keepends=True), start=1)
    return "".join(line for number, line in lines if number not in shown and not line.lstrip().startswith("#> "))


def _long_output(source: str) -> Iterator[int]:
    """Yield the lines of the strings that follow a `print` call: output that is too long for a comment."""
    for node in ast.walk(ast.parse(source)):
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if not isinstance(statements, list):
                continue
            for printing, string in pairwise(statements):
                if _is_print(printing) and _is_string(string):
                    yield from range(string.lineno, (string.end_lineno or string.lineno) + 1)


def _is_print(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "print"
    )


def _is_string(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _lines(source: str) -> list[str]:
    return [line.rstrip() for line in source.rstrip().splitlines()]
