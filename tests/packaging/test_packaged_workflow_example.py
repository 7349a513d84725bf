"""The example that becomes a package passes its own tests, runs from its source, and is what a build expects."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cloacina.packaging.discovery import discover
from cloacina.packaging.project import Project, read_project
from cloacina.packaging.sources import select_sources
from cloacina.packaging.targets import PLATFORMS

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "packaged_workflow"


def run(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a Python program in the environment of these tests, with the example's modules, and writing no bytecode."""
    environment = os.environ | {"PYTHONPATH": str(EXAMPLE / "src"), "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture(scope="module")
def project() -> Project:
    return read_project(EXAMPLE)


def toml_of(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def test_its_own_tests_pass() -> None:
    done = run("-m", "pytest", "-p", "no:cacheprovider", "-q", folder=EXAMPLE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_it_runs_from_its_source(tmp_path: Path) -> None:
    tasks = str(EXAMPLE / "src" / "nile_flow" / "tasks.py")
    done = run("-m", "cloacina", "run", tasks, "--context", '{"report": "answer.md"}', folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "After 1898, the flow was 23% lower" in (tmp_path / "answer.md").read_text(encoding="utf-8")
    assert (tmp_path / "answer.svg").exists()


def test_its_tasks_are_found_without_running_it(project: Project) -> None:
    found = discover(project.source_root, project.entry_module, project_root=project.root)
    assert found.workflow == "nile-flow"
    assert [(task.id, task.dependencies, task.retries) for task in found.tasks] == [
        ("fetch", (), 2),
        ("validate", ("fetch",), 0),
        ("aggregate", ("validate",), 0),
        ("find_change", ("validate",), 0),
        ("report", ("aggregate", "find_change"), 2),
    ]
    assert [task.description for task in found.tasks if not task.description] == []


def test_its_modules_and_its_data_are_packed(project: Project) -> None:
    modules = ["__init__", "analysis", "measurements", "report", "source", "tasks"]
    expected = [*(f"nile_flow/{name}.py" for name in modules), "nile_flow/data/README.md", "nile_flow/data/nile.csv"]
    assert [file.path for file in select_sources(project).files] == sorted(expected)


def test_it_is_built_for_every_platform(project: Project) -> None:
    assert project.platforms == PLATFORMS
    assert [target.name for target in project.targets()] == [f"{platform}-cp311" for platform in PLATFORMS]


def test_it_takes_this_cloacina_and_the_same_date_as_this_repository() -> None:
    settings = toml_of(EXAMPLE)["tool"]["uv"]
    path = settings["sources"]["cloacina"]["path"]
    assert (EXAMPLE / path).resolve() == ROOT
    assert settings["exclude-newer"] == toml_of(ROOT)["tool"]["uv"]["exclude-newer"]


def test_its_readme_has_a_line_for_everything_in_it() -> None:
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    modules = [path for path in (EXAMPLE / "src" / "nile_flow").glob("*.py") if path.name != "__init__.py"]
    assert [path.name for path in modules if f"`src/nile_flow/{path.name}`" not in readme] == []
