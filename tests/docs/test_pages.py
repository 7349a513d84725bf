"""Every block of code on the pages and in the README does what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docsite.samples.blocks import find_blocks
from docsite.samples.fences import guard_page
from docsite.samples.page import PageRun

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A real cloud, a real cluster: a handful of blocks can only be shown. More would be a habit.
UNRUN_BLOCKS = 5


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def makes_packages(page: Path) -> bool:
    return re.search(r"^\$ cloacina (build|lock)\b", page.read_text(encoding="utf-8"), re.MULTILINE) is not None


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=name(page), marks=[pytest.mark.slow] if makes_packages(page) else []) for page in PAGES],
)
def test_blocks_do_what_the_page_says(
    page: Path, tmp_path: Path, recorded_database: Callable[[], Path], update: bool
) -> None:
    # The README's commands set up a new environment; .ci/run runs them word for word.
    run_elsewhere = (ROOT / ".ci" / "run").read_text().splitlines() if page.name == "README.md" else []
    run = PageRun(page, tmp_path, recorded_database, {line.strip() for line in run_elsewhere})
    run.run(update=update)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_block_escapes(page: Path, project: Path) -> None:
    assert guard_page(page, find_blocks(page), project) == []


def test_hardly_any_block_is_only_shown() -> None:
    unrun = [block.where for page in PAGES for block in find_blocks(page) if "not run" in block.marks]
    assert len(unrun) <= UNRUN_BLOCKS, unrun
