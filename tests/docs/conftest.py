"""Where the documentation is, and small sites to plant defects in."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).parents[2]

# The tools that build and check the site are a developer's; they are not installed with the library.
sys.path.insert(0, str(ROOT / "angreal"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the blocks that are not run, so that they are seen, and do not grow in number unseen."""
    from docsite.samples.blocks import find_blocks

    unrun = [
        f"{block.path.relative_to(ROOT)}:{block.line}: {block.marks['not run']}"
        for page in sorted((ROOT / "docs").rglob("*.md"))
        for block in find_blocks(page)
        if "not run" in block.marks
    ]
    terminalreporter.section(f"{len(unrun)} blocks of the documentation are not run")
    for line in unrun:
        terminalreporter.line(line)


@pytest.fixture(scope="session", autouse=True)
def _same_versions_every_day() -> Iterator[None]:
    """Let a page that adds a dependency show the same version tomorrow: those that this project itself may use."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_EXCLUDE_NEWER", settings["exclude-newer"])
        yield


@pytest.fixture(scope="session")
def project() -> Path:
    return ROOT


@pytest.fixture
def update(pytestconfig: pytest.Config) -> bool:
    """Whether output that differs is written into the pages: `--update-examples`, an option of pytest-examples."""
    return bool(pytestconfig.getoption("update_examples"))


@pytest.fixture(scope="session")
def recorded_database(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Return the database of a real run; it is made when the first page asks for it."""
    folder = tmp_path_factory.mktemp("recorded")

    def record() -> Path:
        database = folder / "recorded.db"
        if not database.exists():
            _record_run(database)
        return database

    return record


def _record_run(database: Path) -> None:
    from cloacina import Context, Runner, TaskHandle, Workflow, task

    with Workflow("recorded") as workflow:

        @task
        async def wait_for_export(context: Context, handle: TaskHandle) -> None:
            answers = iter([False, False, True])
            await handle.defer_until(lambda: next(answers), poll_interval_ms=5)
            context["rows"] = ["Ada", "Grace"]

        @task(dependencies=[wait_for_export])
        def summarise(context: Context) -> None:
            context["count"] = len(context["rows"])

    with Runner(f"sqlite:///{database}") as runner:
        runner.execute(workflow).raise_for_status()


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a project with the real configuration, theme and hooks around a few pages."""

    def make(pages: Mapping[str, str], nav: list[object], source: Mapping[str, str] | None = None) -> Path:
        project = tmp_path / "project"
        project.mkdir()
        shutil.copytree(ROOT / "theme", project / "theme")
        (project / "angreal").symlink_to(ROOT / "angreal")
        shutil.copy(ROOT / "mkdocs.yml", project / "site.yml")
        (project / "mkdocs.yml").write_text(yaml.safe_dump({"INHERIT": "site.yml", "nav": nav}))
        (project / "examples").mkdir()
        (project / "examples" / "program.py").write_text("# --8<-- [start:known]\nprint(1)\n# --8<-- [end:known]\n")
        for folder, files in (("docs", pages), ("src", source or {"planted.py": ""})):
            for name, text in files.items():
                file = project / folder / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        return project

    return make
