"""`cloacina new` makes a project that tests, runs and can be packaged as it is, or makes nothing at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import cloacina
from cloacina.cli import main
from cloacina.cli.exit_codes import ExitCode
from cloacina.errors import InvalidName, OutputNotWritable, ProjectExists
from cloacina.packaging.discovery import discover
from cloacina.packaging.project import read_project
from cloacina.packaging.skeleton import create_project, creation, origin
from cloacina.packaging.sources import select_sources

ROOT = Path(__file__).parents[2]
EXCLUDE_NEWER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["exclude-newer"]
FILES = [
    ".gitignore",
    "README.md",
    "pyproject.toml",
    "src/sales_report/__init__.py",
    "src/sales_report/tasks.py",
    "tests/test_tasks.py",
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder, which is the current one."""
    (folder := tmp_path / "somewhere").mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def install_record(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Return a list that takes what the record of Cloacina's installation (PEP 610) says."""

    class Distribution:
        def read_text(self, name: str) -> str | None:
            assert name == "direct_url.json"
            return record[-1]

    record: list[str | None] = []
    monkeypatch.setattr(origin, "distribution", lambda name: Distribution())
    return record


def everything_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def toml_of(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text())


# ── What it makes ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_projects_own_tests_pass_and_its_workflow_runs(folder: Path) -> None:
    main(["new", "sales-report"])
    project = folder / "sales-report"
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv, "uv was not found: start the tests with `uv run angreal test packaging`"
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    environment |= {
        "UV_EXCLUDE_NEWER": EXCLUDE_NEWER,  # as this repository, so that it needs nothing else
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "NO_COLOR": "1",
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            [uv, "run", "--quiet", *command], cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "2 passed" in run("pytest")
    shown = run("cloacina", "run", "src/sales_report/tasks.py", "--context", '{"text": "README.md"}')
    assert "words, most often the (" in shown
    ignored = {".venv", ".pytest_cache", "cloacina.db"}
    left_behind = {path.name for path in project.iterdir()} - {Path(file).parts[0] for file in FILES} - {"uv.lock"}
    assert left_behind <= ignored
    rules = (project / ".gitignore").read_text().splitlines()
    assert {".venv/", ".pytest_cache/", "*.db"} <= set(rules)
    assert "uv.lock" not in rules


@pytest.mark.parametrize(("name", "module"), [("sales-report", "sales_report"), ("Sales.Report--2", "sales_report_2")])
def test_the_project_can_be_packaged(name: str, module: str, folder: Path) -> None:
    create_project(name)
    project = read_project(folder / name)
    running = f"3.{sys.version_info.minor}"
    assert (project.name, project.entry_module, project.pythons) == (name, f"{module}.tasks", (running,))
    found = discover(project.source_root, project.entry_module, project_root=project.root)
    assert found.workflow == name
    assert [(task.id, task.dependencies) for task in found.tasks] == [
        ("wait_for_text", ()),
        ("count_words", ("wait_for_text",)),
        ("write_summary", ("count_words",)),
    ]
    assert [file.path for file in select_sources(project).files] == [f"{module}/__init__.py", f"{module}/tasks.py"]


def test_it_says_what_it_has_made_and_what_to_type_next(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "sales-report"]) == ExitCode.OK
    assert everything_in(folder / "sales-report") == FILES
    shown = capsys.readouterr().out
    assert shown.startswith("Made sales-report in sales-report:\n")
    assert all(f"\n  {file}" in shown for file in FILES)
    listing, _, rest = shown.partition("\nNext:\n")
    assert max(len(line) for line in listing.splitlines()) <= 80
    commands = [line.strip() for line in rest.splitlines() if line.startswith("  ")]
    assert commands == [
        "cd sales-report",
        "uv run pytest",
        """uv run cloacina run src/sales_report/tasks.py --context '{"text": "README.md"}'""",
        "uv run cloacina build",
    ]
    readme = (folder / "sales-report" / "README.md").read_text()
    assert all(f"$ {command}\n" in readme for command in commands[1:])


def test_with_json_it_writes_one_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "sales-report", "deep/a folder", "--json"]) == ExitCode.OK
    streams = capsys.readouterr()
    document = json.loads(streams.out)
    assert streams.err == ""
    assert document["files"] == FILES == everything_in(folder / "deep" / "a folder")
    assert (document["name"], document["module"]) == ("sales-report", "sales_report")
    assert document["folder"] == str(Path("deep", "a folder"))
    assert document["next"][0] == "cd 'deep/a folder'"


def test_in_the_current_folder_there_is_no_way_to_go(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["new", "sales-report", ".", "--json"])
    assert json.loads(capsys.readouterr().out)["next"][0] == "uv run pytest"
    assert everything_in(folder) == FILES


def test_no_placeholder_is_left(folder: Path) -> None:
    create_project("sales-report", folder)
    assert [file for file in FILES if "{{" in (folder / file).read_text()] == []


# ── Where the project takes Cloacina from ────────────────────────────────────────────────────────────────────────────


def test_installed_from_a_folder_the_project_takes_cloacina_from_there(
    folder: Path, tmp_path: Path, install_record: list[str | None], capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout := tmp_path / "a checkout ü").mkdir()
    install_record.append(json.dumps({"url": checkout.as_uri(), "dir_info": {"editable": False}}))
    main(["new", "sales-report"])
    project = toml_of(folder / "sales-report")
    assert project["tool"]["uv"]["sources"] == {"cloacina": {"path": str(checkout), "editable": True}}
    assert project["project"]["dependencies"] == [f"cloacina>={cloacina.__version__}"]
    assert "Remove the table when you" in (folder / "sales-report" / "pyproject.toml").read_text()
    assert f"Cloacina is taken from {checkout}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "record",
    [
        None,
        "",
        "not JSON",
        "[]",
        '{"url": "file:///cloacina-0.1.0-py3-none-any.whl", "archive_info": {}}',
        '{"url": "file:///nowhere/at/all", "dir_info": {}}',
        '{"url": "https://example.org/cloacina.git", "dir_info": {}}',
    ],
)
def test_installed_otherwise_the_project_asks_for_the_version_alone(
    record: str | None, folder: Path, install_record: list[str | None], capsys: pytest.CaptureFixture[str]
) -> None:
    install_record.append(record)
    main(["new", "sales-report"])
    project = toml_of(folder / "sales-report")
    assert "uv" not in project["tool"]
    assert project["project"]["dependencies"] == [f"cloacina>={cloacina.__version__}"]
    assert "Cloacina is taken from" not in capsys.readouterr().out


# ── What it refuses ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "Expected a letter"),
        ("1st", "such as 'st'"),
        ("a b", "such as 'a-b'"),
        ("-", "such as 'sales-report'"),
        ("a/b", "such as 'a-b'"),
        ("report-", "such as 'report'"),
        ("größe", "such as 'gr-e'"),
        ("a" * 65, "up to 64 of them"),
        ("json", "a module of the standard library"),
        ("Email", "a module of the standard library"),
        ("distutils", "a module of the standard library"),
        ("class", "a keyword of Python"),
        ("cloacina", "the name of Cloacina itself"),
        ("Cloacina", "the name of Cloacina itself"),
        ("pytest", "the library that its tests are run with"),
        ("tests", "the folder that its tests are in"),
    ],
)
def test_a_name_that_cannot_be_a_projects_is_refused(name: str, reason: str, folder: Path) -> None:
    with pytest.raises(InvalidName) as caught:
        create_project(name)
    assert reason in caught.value.message
    assert list(folder.iterdir()) == []


def test_a_wrong_name_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "json"]) == ExitCode.USAGE
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "Choose another one, such as 'my-json'. [CLO-1105]" in streams.err


def test_a_folder_with_something_in_it_is_refused_and_left_as_it_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c", "d", "e"):
        (folder / name).write_text(name)
    assert main(["new", "sales-report", "."]) == ExitCode.PROJECT
    assert "is not empty: it holds 'a', 'b', 'c' and 2 more." in capsys.readouterr().err
    assert everything_in(folder) == ["a", "b", "c", "d", "e"]


def test_an_empty_folder_and_a_new_repository_are_taken(folder: Path) -> None:
    (folder / ".git").mkdir()
    create_project("sales-report", folder)
    assert everything_in(folder) == FILES


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_file_in_place_of_the_folder_is_refused(place: str, folder: Path) -> None:
    (folder / "file").write_text("precious")
    with pytest.raises(ProjectExists, match="is, or is below, a file"):
        create_project("sales-report", Path(place))
    assert (folder / "file").read_text() == "precious"


@pytest.mark.parametrize("fails_at", range(len(FILES)))
@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_behind_when_writing_fails(
    fails_at: int, failure: BaseException, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open, opened = Path.open, []

    def fail_at_last(path: Path, *arguments: Any, **options: Any) -> Any:
        opened.append(path)
        if len(opened) > fails_at:
            raise failure
        return real_open(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", fail_at_last)
    monkeypatch.setattr(creation, "installed_from", lambda: None)
    monkeypatch.setattr(creation, "_template", lambda name: name)
    with pytest.raises(OutputNotWritable if isinstance(failure, OSError) else KeyboardInterrupt) as caught:
        create_project("sales-report", Path("deep/project"))
    if isinstance(failure, OSError):
        assert "No space left on device. Nothing of it is left behind." in str(caught.value)
    assert list(folder.iterdir()) == []


def test_what_somebody_else_writes_meanwhile_is_not_overwritten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_mkdir = Path.mkdir

    def mkdir(path: Path, *arguments: Any, **options: Any) -> None:
        real_mkdir(path, *arguments, **options)
        if path.name == "sales-report":
            (path / "README.md").write_text("precious")

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(ProjectExists, match=r"README\.md has appeared meanwhile"):
        create_project("sales-report")
    assert everything_in(folder) == ["sales-report/README.md"]
    assert (folder / "sales-report" / "README.md").read_text() == "precious"
