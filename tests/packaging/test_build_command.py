"""`cloacina build`, as it is typed: what it prints, how it ends, and what is left when it fails."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from build_samples import HOST, OTHER_PLATFORM, PYTHON, state_of, write_project
from cloacina.cli import main
from cloacina.cli.exit_codes import ExitCode
from cloacina.packaging import read_package
from package_index import PackageIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from cloacina.packaging import BuildResult

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

TASK = "from cloacina import task\n@task\ndef {name}(context): ...\n"
DEPENDENT_TASK = "from cloacina import task\n@task(dependencies=['{on}'])\ndef {name}(context): ...\n"


def write_flow(text: str | bytes) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        flow = project / "src" / "figures" / "flow.py"
        flow.write_bytes(text if isinstance(text, bytes) else text.encode())

    return change


def replace_in_pyproject(old: str, new: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        pyproject = project / "pyproject.toml"
        text = pyproject.read_text(encoding="utf-8")
        assert old in text
        pyproject.write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def depend_on(name: str) -> Callable[[Path], None]:
    return replace_in_pyproject("dependencies = [", f'dependencies = ["{name}", ')


def remove_pyproject(project: Path) -> None:
    (project / "pyproject.toml").unlink()


def hide_a_dependency(project: Path) -> None:
    (project / "src" / "puretool.py").touch()


def nothing(project: Path) -> None:
    """Leave the project as it is."""


def test_a_build_prints_its_steps_what_it_packed_and_what_it_made(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert HOST is not None
    monkeypatch.chdir(project)

    code = main(["build", "--locked"])

    printed = capsys.readouterr()
    fingerprint = read_package(project / "dist" / "figures-1.0.cloacina").fingerprint
    lines = printed.out.splitlines()
    assert (code, printed.err) == (ExitCode.OK, "")
    assert [line.split()[0] for line in lines[:9]] == [
        *("project", "discover", "lock", "wheels", "vendor", "pack", "verify", "import", "note"),
    ]
    assert lines[9].startswith("included    figures/ (3 files, ")
    assert "excluded    .env: may hold secrets" in lines
    assert "Built dist/figures-1.0.cloacina" in lines
    assert f"  fingerprint {fingerprint}" in lines
    assert f"  import      checked on {HOST.name}" in lines
    assert "  tasks       2 of figures: fetch, report" in lines


def test_json_is_one_document_on_stdout(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert HOST is not None

    assert main(["build", str(project), "--locked", "--json"]) == ExitCode.OK

    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert "included" not in printed.err
    assert "pack " in printed.err
    assert document["package"] == {"name": "figures", "version": "1.0"}
    assert document["fingerprint"] == read_package(Path(document["file"])).fingerprint
    assert [task["id"] for task in document["tasks"]] == ["fetch", "report"]
    assert [file["path"] for file in document["included"]] == [
        "figures/__init__.py",
        "figures/flow.py",
        "figures/script.sh",
    ]
    assert {"path": ".env", "reason": "may hold secrets"} in document["excluded"]
    assert [wheel["name"] for wheel in document["wheels"][HOST.name]] == ["compiledtool", "puretool"]
    assert document["import_check"] == [{"target": HOST.name, "is_checked": True, "reason": None}]
    assert document["lock"] is None


def test_verbose_lists_every_file(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", str(project), "--locked", "--dry-run", "--verbose"]) == ExitCode.OK

    lines = capsys.readouterr().out.splitlines()
    assert "included    figures/__init__.py" in lines
    assert "            figures/script.sh" in lines


def test_a_dry_run_names_the_wheels_and_writes_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = state_of(project)

    assert main(["build", str(project), "--dry-run"]) == ExitCode.OK

    out = capsys.readouterr().out
    assert "wheels      compiledtool 2.0 (2 wheels)\n            puretool 1.2 (1 wheel)\n" in out
    assert f"Would build {project / 'dist' / 'figures-1.0.cloacina'}\n" in out
    assert state_of(project) == before


def test_a_dry_run_of_a_project_that_is_not_locked_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "uv.lock").unlink()
    before = state_of(project)

    assert main(["build", str(project), "--dry-run", "--json"]) == ExitCode.OK

    document = json.loads(capsys.readouterr().out)
    assert document["wheels"] is None
    assert "uv.lock" in document["stale_lock"]
    assert state_of(project) == before


def test_targets_and_pythons_of_the_command_line_take_the_place_of_the_projects(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--target", OTHER_PLATFORM, "--python", PYTHON, "-o", str(project.parent / "out"), "--json"]

    assert main(["build", str(project), *arguments]) == ExitCode.OK

    document = json.loads(capsys.readouterr().out)
    assert document["targets"] == [f"{OTHER_PLATFORM}-cp{PYTHON.replace('.', '')}"]
    assert Path(document["file"]).parent == project.parent / "out"


@pytest.mark.parametrize(
    ("change", "arguments", "code", "words"),
    [
        (remove_pyproject, [], "CLO-2101", "has no pyproject.toml"),
        (replace_in_pyproject("[tool.cloacina]", "[tool.other]"), [], "CLO-2102", "[tool.cloacina]"),
        (replace_in_pyproject("[project]", "[project"), [], "CLO-2102", "pyproject.toml"),
        (replace_in_pyproject("figures.flow", "figures.gone"), [], "CLO-2103", "figures.gone"),
        (write_flow("def broken(:\n"), [], "CLO-2104", "src/figures/flow.py:1"),
        (write_flow(b"# \xff\n"), [], "CLO-2104", "src/figures/flow.py"),
        (write_flow("print()\n"), [], "CLO-2105", "figures.flow"),
        (write_flow("import cloacina\nfor n in 'ab':\n    cloacina.task(id=n)(print)\n"), [], "CLO-2106", "flow.py:3"),
        (write_flow(TASK.format(name="a") + TASK.format(name="a")), [], "CLO-1103", "flow.py:"),
        (
            write_flow("from cloacina import task\n@task(dependencies=['b'])\ndef a(context): ...\n"),
            [],
            "CLO-1101",
            "'b'",
        ),
        (
            write_flow(
                "from cloacina import task\n@task(dependencies=['b'])\ndef a(context): ...\n"
                "@task(dependencies=['a'])\ndef b(context): ...\n"
            ),
            [],
            "CLO-1102",
            "flow.py:",
        ),
        (depend_on("nowhere"), [], "CLO-2204", "nowhere"),
        (depend_on("puretool>2"), [], "CLO-2203", "puretool"),
        (depend_on("sourceonly"), [], "CLO-2208", "sourceonly"),
        (depend_on("hostonly"), [], "CLO-2208", OTHER_PLATFORM),
        (depend_on("hides-json"), [], "CLO-2107", "hides-json 1.0"),
        (hide_a_dependency, [], "CLO-2107", "The module 'puretool' is in workflow and in vendor/any"),
        (depend_on("hostonly"), ["--locked"], "CLO-2206", "uv.lock"),
        (write_flow("import nowhere\n" + TASK.format(name="a")), [], "CLO-2302", "workflow/figures/flow.py:1"),
        (nothing, ["--target", "beos"], "CLO-1108", "'beos'"),
        (nothing, ["--sign", "no/such/key"], "CLO-2502", "no/such/key"),
        (nothing, ["-o", "pyproject.toml"], "CLO-2303", "is not a folder"),
    ],
)
def test_bad_input_is_one_message_and_changes_nothing(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], None],
    arguments: list[str],
    code: str,
    words: str,
) -> None:
    (project / "dist").mkdir()
    (project / "dist" / "figures-1.0.cloacina").write_bytes(b"the one before")
    change(project)
    before = state_of(project)
    monkeypatch.chdir(project)

    ended = main(["build", *arguments])

    message = capsys.readouterr().err
    assert message.startswith("error: "), message
    assert message.count("error: ") == 1
    assert f"[{code}] " in message
    assert words in message
    assert "Traceback" not in message
    assert "127.0.0.1" not in message
    assert "cloacina-build-" not in message
    assert ended == documented_exit_code(code)
    assert state_of(project) == before


def documented_exit_code(code: str) -> ExitCode:
    by_range = {"CLO-1108": ExitCode.USAGE, "CLO-22": ExitCode.DEPENDENCIES, "CLO-25": ExitCode.SIGNATURE}
    return next((found for start, found in by_range.items() if code.startswith(start)), ExitCode.PROJECT)


def test_without_uv_there_is_one_message(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(project))
    monkeypatch.setitem(sys.modules, "uv", None)

    assert main(["build", str(project)]) == ExitCode.DEPENDENCIES
    assert "[CLO-2201]" in capsys.readouterr().err


def test_an_untested_uv_is_refused_unless_it_is_allowed(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uv").write_text("#!/bin/sh\necho uv 99.0.0\n", encoding="utf-8")
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setitem(sys.modules, "uv", None)

    assert main(["build", str(project)]) == ExitCode.DEPENDENCIES
    assert "[CLO-2202]" in capsys.readouterr().err
    # What it prints is no lock, which is found out next.
    assert main(["build", str(project), "--allow-untested-uv", "--locked"]) == ExitCode.DEPENDENCIES
    assert "[CLO-2202]" not in capsys.readouterr().err


def test_without_network_and_cache_there_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/simple"
    project = write_project(tmp_path, address)
    before = state_of(project)

    assert main(["build", str(project)]) == ExitCode.DEPENDENCIES

    message = capsys.readouterr().err
    assert "[CLO-2205]" in message
    assert "127.0.0.1" not in message
    assert state_of(project) == before


def test_offline_is_enough_once_the_cache_holds_everything(
    built: BuildResult, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", str(project), "--offline", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["fingerprint"] == built.fingerprint


@contextmanager
def building(project: Path) -> Generator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "cloacina", "build", str(project)],
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


INTERRUPTIONS = [
    (signal.SIGINT, ExitCode.INTERRUPTED),
    (signal.SIGTERM, ExitCode.TERMINATED),
    (signal.SIGHUP, ExitCode.TERMINATED),
]


@pytest.mark.parametrize(("number", "code"), INTERRUPTIONS)
def test_an_interrupted_import_check_leaves_nothing(
    project: Path, tmp_path: Path, number: signal.Signals, code: ExitCode
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    wait = f"open({str(pipe)!r}, 'w').close()\nimport threading\nthreading.Event().wait()\n"
    write_flow(f"{wait}{TASK.format(name='a')}")(project)
    before = state_of(project)

    with building(project) as process:
        pipe.open("rb").close()  # until the import has begun
        process.send_signal(number)
        _, errors = process.communicate()

    assert (process.returncode, errors) == (code, "interrupted: no package was written\n")
    assert state_of(project) == before


@pytest.mark.parametrize(("number", "code"), INTERRUPTIONS)
def test_interrupted_while_uv_waits_for_an_index_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: ExitCode
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty"))
    with PackageIndex(is_silent=True) as index:
        project = write_project(tmp_path, index.url)
        before = state_of(project)
        with building(project) as process:
            while not index.requests:  # until uv has asked; the loop ends with the process
                assert process.poll() is None
            process.send_signal(number)
            _, errors = process.communicate()

    assert (process.returncode, errors) == (code, "interrupted: no package was written\n")
    assert state_of(project) == before


def test_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--help"]) == ExitCode.OK

    out = capsys.readouterr().out
    assert "--check-reproducible" in out
    assert "Exit codes:" in out


def test_the_name_of_a_file_does_not_command_the_terminal(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "a\x1b[31mb").touch()

    assert main(["build", str(project), "--dry-run", "--verbose"]) == ExitCode.OK

    shown = capsys.readouterr().out
    assert "a\\x1b[31mb" in shown
    assert "\x1b" not in shown
