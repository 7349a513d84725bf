"""Tutorials: Python files in the percent format, executed cell by cell from an empty folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from docsite.samples.blocks import SampleError

if TYPE_CHECKING:
    from pathlib import Path

SECONDS_PER_CELL = 300


def run_tutorial(tutorial: Path, folder: Path) -> int:
    """Execute a tutorial, and return how many cells of code it has.

    Args:
        tutorial: The tutorial's file.
        folder: The empty folder in which its kernel starts.

    Raises:
        SampleError: When a cell raises, or the tutorial has no cell of code.
    """
    notebook = jupytext.read(tutorial)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not cells:
        raise SampleError(f"{tutorial}: no cell of code; cells begin with `# %%`")
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        raise SampleError(f"{tutorial}: a cell failed\n{error}") from error
    return len(cells)
