"""`cloacina lock`, as it is typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from package_index import PackageIndex, make_sdist, make_wheel

ALPHA = make_wheel("alpha", "1.0")
TARGETS = ("linux-arm64-cp311", "linux-x86_64-cp311", "macos-arm64-cp311", "macos-x86_64-cp311")
_SECONDS = 60


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_PYTHON", sys.executable)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with PackageIndex(ALPHA, make_wheel("alpha", "2.0"), make_sdist("gamma", "1.0")) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        yield index


def write_project(folder: Path, *dependencies: str) -> Path:
    folder.mkdir(exist_ok=True)
    folder.joinpath("tasks.py").touch()
    folder.joinpath("pyproject.toml").write_text(
        '[project]\nname = "demo"\nversion = "1.0.0"\nrequires-python = ">=3.11"\n'
        f'dependencies = {list(dependencies)!r}\n[tool.cloacina]\nentry_module = "tasks"\npython = "3.11"\n',
        encoding="utf-8",
    )
    return folder


def run(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cloacina", "lock", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)


def test_lock_says_what_changed_and_what_there_is_for_each_target(tmp_path: Path, index: PackageIndex) -> None:
    project = write_project(tmp_path / "p", "alpha<2")
    first = run(folder=project)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines() == [
        "uv.lock is updated",
        "  added    alpha 1.0",
        "Every dependency has a wheel for every target:",
        *(f"  {target:<18}  1 wheel" for target in TARGETS),
    ]
    assert run(folder=project).stdout.splitlines()[0] == "uv.lock fits already"
    write_project(project, "alpha")
    assert run(folder=project).stdout.splitlines()[0] == "uv.lock is updated; every version is as it was"
    assert "  changed  alpha 1.0 -> 2.0" in run("--upgrade", folder=project).stdout.splitlines()
    write_project(project)
    removed = run("p", folder=tmp_path).stdout.splitlines()
    assert removed[:2] == [f"{Path('p', 'uv.lock')} is updated", "  removed  alpha 2.0"]
    assert removed[2].startswith("There is nothing to pack")


def test_json_is_one_document(tmp_path: Path, index: PackageIndex) -> None:
    project = write_project(tmp_path / "p", "alpha<2")
    done = run("--json", folder=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "project": {"name": "demo", "version": "1.0.0"},
        "lock_file": str(project / "uv.lock"),
        "is_changed": True,
        "added": [{"name": "alpha", "version": "1.0"}],
        "removed": [],
        "changed": [],
        "targets": [
            {"name": target, "wheels": [{"name": "alpha", "version": "1.0", "file": ALPHA[0]}]} for target in TARGETS
        ],
    }


def test_check_tells_whether_the_lock_fits_and_changes_nothing(tmp_path: Path, index: PackageIndex) -> None:
    project = write_project(tmp_path / "p", "alpha<2")
    missing = run("--check", folder=project)
    assert (missing.returncode, missing.stdout) == (6, "")
    assert "There is no uv.lock" in missing.stderr
    assert "CLO-2206" in missing.stderr
    run(folder=project)
    before = project.joinpath("uv.lock").read_bytes()
    assert run("--check", folder=project).stdout.splitlines()[0] == "uv.lock fits pyproject.toml"
    write_project(project, "alpha<3")
    stale = run("--check", folder=project)
    assert stale.returncode == 6
    assert "does not fit" in stale.stderr
    assert project.joinpath("uv.lock").read_bytes() == before


def test_check_and_upgrade_exclude_each_other(tmp_path: Path) -> None:
    done = run("--check", "--upgrade", folder=tmp_path)
    assert done.returncode == 2
    assert "--check changes nothing" in done.stderr


def test_missing_wheels_are_shown_as_a_table(tmp_path: Path, index: PackageIndex) -> None:
    done = run(folder=write_project(tmp_path / "p", "alpha", "gamma"))
    assert done.returncode == 6
    assert "  added    gamma 1.0" in done.stdout
    assert "gamma 1.0  all 4 targets  source only" in done.stderr.splitlines()
    assert "Traceback" not in done.stderr
    assert "127.0.0.1" not in done.stderr


def test_failing_resolution_leaves_the_lock_alone(tmp_path: Path, index: PackageIndex) -> None:
    project = write_project(tmp_path / "p", "alpha<2")
    run(folder=project)
    before = project.joinpath("uv.lock").read_bytes()
    write_project(project, "alpha>2")
    done = run(folder=project)
    assert (done.returncode, done.stdout) == (6, "")
    assert "CLO-2203" in done.stderr
    assert project.joinpath("uv.lock").read_bytes() == before


def test_project_that_is_not_there_has_its_own_exit_code(tmp_path: Path) -> None:
    done = run("nowhere", folder=tmp_path)
    assert done.returncode == 5
    assert "CLO-2101" in done.stderr


def test_absent_uv_has_its_own_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The package uv beside this Python is hidden by a module that has no program.
    tmp_path.joinpath("uv.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run(folder=write_project(tmp_path / "p"))
    assert done.returncode == 6
    assert "CLO-2201" in done.stderr
    assert "pip install" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl+C", "SIGTERM"]
)
def test_interruption_ends_uv_and_leaves_the_lock_alone(
    number: signal.Signals, exit_code: int, tmp_path: Path, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = write_project(tmp_path / "p", "alpha<2")
    run(folder=project)
    before = project.joinpath("uv.lock").read_bytes()
    write_project(project, "alpha", "beta")
    with PackageIndex(is_silent=True) as silent:
        monkeypatch.setenv("UV_DEFAULT_INDEX", silent.url)
        monkeypatch.setenv("UV_HTTP_TIMEOUT", "600")
        process = subprocess.Popen(
            [sys.executable, "-m", "cloacina", "lock"], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        silent.wait_for_request()
        os.kill(process.pid, number)
        _, errors = process.communicate(timeout=_SECONDS)
        silent.wait_for_leaving()
    assert process.returncode == exit_code
    assert b"Traceback" not in errors
    assert project.joinpath("uv.lock").read_bytes() == before
