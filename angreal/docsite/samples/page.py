"""All blocks of a page, run in their order, in one folder, with one set of names, as a reader would."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docsite.samples.blocks import Block, SampleError, find_blocks
from docsite.samples.console_blocks import run_console
from docsite.samples.data_blocks import read_data, run_sql
from docsite.samples.fences import RUN
from docsite.samples.python_blocks import difference, run_python

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator


class PageRun:
    """One page's blocks on their way through the tools that run them.

    Args:
        page: The page.
        folder: An empty folder, in which everything on the page happens.
        recorded_database: Returns the database of a real run, for SQL on a page that makes no database itself.
        run_elsewhere: Commands that another check runs as they stand on the page.
    """

    def __init__(
        self,
        page: Path,
        folder: Path,
        recorded_database: Callable[[], Path],
        run_elsewhere: Collection[str] = (),
    ) -> None:
        self.page = page
        self.work = folder / "work"
        self.programs = folder / "programs"
        self.work.mkdir(parents=True)
        self.programs.mkdir()
        self.recorded_database = recorded_database
        self.run_elsewhere = run_elsewhere
        self.names: dict[str, Any] = {}

    def run(self, *, update: bool = False) -> int:
        """Run the blocks, and return how many were run.

        Args:
            update: Whether output that differs is written into the page instead of being an error.

        Raises:
            SampleError: When a block fails, or its output differs and is not to be updated, or no command runs the file
                that the page says one runs.
        """
        blocks = [block for block in find_blocks(self.page) if block.language in RUN and not block.included]
        chosen = [block for block in blocks if "not run" not in block.marks and not self._runs_elsewhere(block)]
        changed: list[tuple[Block, str]] = []
        with working_directory(self.work):
            for block in chosen:
                self._write_file(block)
                if "run by" in block.marks:
                    _require_command(block, chosen)
                    continue
                real = self._run_block(block)
                if real is None:
                    continue
                if not update:
                    raise SampleError(difference(block, real))
                changed.append((block, real))
        self._write_changes(changed)
        return len(chosen)

    def _runs_elsewhere(self, block: Block) -> bool:
        commands = [line.removeprefix("$ ") for line in block.source.splitlines()]
        return block.language == "console" and all(command in self.run_elsewhere for command in commands)

    def _run_block(self, block: Block) -> str | None:
        if block.language == "python":
            return run_python(block, self.names, self.programs)
        if block.language == "console":
            return run_console(block, self.work)
        if block.language == "sql":
            return run_sql(block, self._database())
        read_data(block)
        return None

    def _write_file(self, block: Block) -> None:
        """Write a block that the page shows as a file, for the commands that follow it."""
        if block.title is None:
            return
        file = (self.work / block.title).resolve()
        if not file.is_relative_to(self.work.resolve()):
            raise SampleError(f"{block.where}: the title {block.title!r} is a path outside of the page's folder")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.source, encoding="utf-8")

    def _database(self) -> Path:
        own = sorted(self.work.glob("*.db"), key=lambda file: file.stat().st_mtime)
        return own[-1] if own else self.recorded_database()

    def _write_changes(self, changed: list[tuple[Block, str]]) -> None:
        text = self.page.read_text(encoding="utf-8")
        for block, real in reversed(changed):
            text = text[: block.start] + block.in_page(real) + text[block.end :]
        if changed:
            self.page.write_text(text, encoding="utf-8")


def _require_command(file: Block, blocks: Collection[Block]) -> None:
    """Refuse a file of a project that nothing below it runs.

    Such a file imports its neighbours and what the project has installed, so it cannot be run as a part of the page.

    Raises:
        SampleError: When the block has no title, or no block below it has the command of its mark.
    """
    command = f"$ {file.marks['run by']}"
    if file.title is None:
        raise SampleError(f"{file.where}: a block that is `run by` a command is a file, and a file needs a title")
    below = [block.source.splitlines() for block in blocks if block.language == "console" and block.line > file.line]
    if not any(command in lines for lines in below):
        raise SampleError(f"{file.where}: no block below it has the command `{command}`")


@contextmanager
def working_directory(folder: Path) -> Generator[None]:
    """Make a folder the working directory for the `with` block."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
