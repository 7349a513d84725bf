"""Every block of code in a docstring does what the docstring says."""

from __future__ import annotations

from pathlib import Path

import pytest

from docsite.samples.blocks import find_python_blocks
from docsite.samples.docstrings import run_docstrings
from docsite.samples.fences import guard_docstrings

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "src" / "cloacina").rglob("*.py"))
WITH_BLOCKS = [module for module in MODULES if find_python_blocks(module, module.read_text())]


def name(module: Path) -> str:
    return str(module.relative_to(ROOT / "src"))


@pytest.mark.parametrize("module", WITH_BLOCKS, ids=name)
def test_blocks_do_what_the_docstring_says(module: Path, tmp_path: Path, update: bool) -> None:
    run_docstrings(module, tmp_path, update=update)


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_no_block_escapes(module: Path) -> None:
    assert guard_docstrings(module) == []
