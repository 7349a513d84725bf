"""Every tutorial runs from its first cell to its last, from an empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from docsite.samples.fences import guard_tutorial
from docsite.samples.tutorials import run_tutorial

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.py"))


def name(tutorial: Path) -> str:
    return tutorial.stem


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=name)
def test_tutorial_runs_from_an_empty_folder(tutorial: Path, tmp_path: Path) -> None:
    run_tutorial(tutorial, tmp_path)


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=name)
def test_no_block_escapes(tutorial: Path) -> None:
    assert guard_tutorial(tutorial) == []
