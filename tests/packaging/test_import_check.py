"""The import check: what a package does when a worker imports it, seen before anybody gets the package."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from cloacina.errors import ImportCheckFailed
from cloacina.packaging.archive import write_archive
from cloacina.packaging.building.assembly import assemble
from cloacina.packaging.building.snapshot import take_snapshot
from cloacina.packaging.building.source_date import DEFAULT_EPOCH
from cloacina.packaging.discovery import discover
from cloacina.packaging.isolated.import_check import check_import
from cloacina.packaging.isolated.sdk import SDK_MODULES, write_sdk
from cloacina.packaging.locking import Lock, Uv
from cloacina.packaging.project import read_project
from cloacina.packaging.sources import select_sources
from cloacina.packaging.targets import PLATFORMS, Target, host_target
from cloacina.packaging.vendoring import Site, SiteFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloacina.packaging.isolated.import_check import ImportCheck
    from cloacina.packaging.manifest.models import Manifest

HOST = host_target()
pytestmark = pytest.mark.skipif(HOST is None, reason="no package is built for this machine")

GOOD = """
    from cloacina import Context, RetryPolicy, Workflow, task

    with Workflow("demo") as demo:

        @task(retry=RetryPolicy(attempts=3), timeout=10)
        def first(context: Context) -> None:
            context["first"] = 1

        @task(dependencies=[first])
        async def second(context: Context) -> None:
            context["second"] = 2
"""


class Workshop:
    """Makes packages without uv: of source, and of files that stand for a dependency's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def build(
        self, sources: Mapping[str, str], *, targets: tuple[Target, ...], vendored: Mapping[str, str] | None = None
    ) -> tuple[Path, Manifest]:
        project_folder = self.folder / "project"
        for path, text in {"pyproject.toml": PYPROJECT, **sources}.items():
            file = project_folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(text), encoding="utf-8")
        project = read_project(project_folder)
        snapshot = take_snapshot(project, select_sources(project), self.folder / "snapshot")
        discovery = discover(snapshot.source_root, project.entry_module)
        files = tuple(
            SiteFile(path, text.encode(), 0o644, len(text), hashlib.sha256(text.encode()).hexdigest())
            for path, text in (vendored or {}).items()
        )
        assembly = assemble(
            project,
            targets,
            discovery,
            snapshot,
            Lock(requirements="", pylock="", wheels=dict.fromkeys(targets, ())),
            [Site(target, files) for target in targets],
            epoch=DEFAULT_EPOCH,
            uv_version="0",
        )
        archive = self.folder / "demo-1.0.cloacina"
        write_archive(archive, assembly.members, mtime=DEFAULT_EPOCH)
        return archive, assembly.manifest

    def check(
        self,
        flow: str,
        more: Mapping[str, str] | None = None,
        *,
        vendored: Mapping[str, str] | None = None,
        deadline: float = 60.0,
    ) -> tuple[ImportCheck, ...]:
        assert HOST is not None
        archive, manifest = self.build(
            {"src/demo/__init__.py": "", "src/demo/flow.py": flow, **(more or {})}, targets=(HOST,), vendored=vendored
        )
        return self.check_built(archive, manifest, (HOST,), deadline=deadline)

    def check_built(
        self,
        archive: Path,
        manifest: Manifest,
        targets: tuple[Target, ...],
        *,
        uv: Uv | None = None,
        deadline: float = 60.0,
    ) -> tuple[ImportCheck, ...]:
        folder = self.folder / "check"
        folder.mkdir()
        return check_import(archive, manifest, targets, folder, uv=uv, deadline=deadline)


PYPROJECT = """
    [project]
    name = "demo"
    version = "1.0"
    requires-python = ">=3.11"

    [tool.cloacina]
    entry_module = "demo.flow"
"""


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def test_a_package_that_registers_what_its_source_declares_is_checked(workshop: Workshop) -> None:
    assert HOST is not None
    (check,) = workshop.check(GOOD)

    assert (check.target, check.is_checked, check.reason) == (HOST.name, True, None)


def test_tasks_without_a_workflow_are_registered_by_the_modules_that_the_entry_imports(workshop: Workshop) -> None:
    flow = """
        from cloacina import Context, task
        from demo.steps import load

        @task(dependencies=[load])
        def report(context: Context) -> None: ...
    """
    steps = """
        from cloacina import Context, task

        @task
        def load(context: Context) -> None: ...
    """

    (check,) = workshop.check(flow, {"src/demo/steps.py": steps})

    assert check.is_checked


def test_a_dependency_is_imported_from_the_package(workshop: Workshop) -> None:
    (check,) = workshop.check(f"import library\n{dedent(GOOD)}", vendored={"library/__init__.py": "x = 1\n"})

    assert check.is_checked


def test_tasks_that_a_library_declares_are_its_own(workshop: Workshop) -> None:
    library = "from cloacina import task\n@task\ndef offered(context): ...\n"

    (check,) = workshop.check(f"import library\n{dedent(GOOD)}", vendored={"library.py": library})

    assert check.is_checked


def test_what_is_installed_on_this_machine_cannot_be_imported(workshop: Workshop) -> None:
    with pytest.raises(ImportCheckFailed) as raised:
        workshop.check(f"import pydantic\n{dedent(GOOD)}")

    assert "  workflow/demo/flow.py:1 in <module>: import pydantic\n" in raised.value.message
    assert "ModuleNotFoundError: No module named 'pydantic'" in raised.value.message
    assert "add what provides it to [project] dependencies" in raised.value.message
    assert str(workshop.folder) not in raised.value.message


@pytest.mark.parametrize("line", ["from cloacina import Runner", "import cloacina.testing"])
def test_what_runs_workflows_is_not_there_and_the_message_says_so(workshop: Workshop, line: str) -> None:
    with pytest.raises(ImportCheckFailed, match=r"cloacina\.(runner|testing) is not available in a package"):
        workshop.check(f"{line}\n{dedent(GOOD)}")


def test_an_error_is_shown_with_every_line_of_the_package_that_led_to_it(workshop: Workshop) -> None:
    steps = "def prepare():\n    raise OSError('no such host')\n"

    with pytest.raises(ImportCheckFailed) as raised:
        workshop.check(f"from demo import steps\nsteps.prepare()\n{dedent(GOOD)}", {"src/demo/steps.py": steps})

    assert (
        "  workflow/demo/flow.py:2 in <module>: steps.prepare()\n"
        "  workflow/demo/steps.py:2 in prepare: raise OSError('no such host')\n"
        "  OSError: no such host\n"
    ) in raised.value.message


def test_a_file_that_only_another_python_understands_is_named(workshop: Workshop) -> None:
    steps = "def broken(:\n    pass\n"

    with pytest.raises(ImportCheckFailed, match=r"library\.py:1: def broken\(:\n  SyntaxError"):
        workshop.check(f"import library\n{dedent(GOOD)}", vendored={"library.py": steps})


def test_secrets_of_this_process_do_not_reach_the_package(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")

    with pytest.raises(ImportCheckFailed, match=r"KeyError: 'SECRET_TOKEN'\nA package is imported with few variables"):
        workshop.check(f"import os\nos.environ['SECRET_TOKEN']\n{dedent(GOOD)}")


def test_what_the_package_prints_does_not_disturb(workshop: Workshop) -> None:
    flow = """
        import os, subprocess, sys
        print('{"error": 1}')
        os.write(1, b"raw")
        subprocess.run([sys.executable, "-c", "print('child')"])
        assert sys.stdin.read() == ""
    """

    (check,) = workshop.check(f"{dedent(flow)}{dedent(GOOD)}")

    assert check.is_checked


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("import sys; sys.exit(3)", r"SystemExit: 3"),
        ("import os; os._exit(0)", r"ended the process with code 0\. "),
        ("import os; print('goodbye', flush=True); os._exit(4)", r"with code 4\. [^\n]*\. It printed:\n  goodbye"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"ended the process by SIGSEGV"),
    ],
)
def test_an_import_that_ends_the_process_is_refused(workshop: Workshop, line: str, problem: str) -> None:
    with pytest.raises(ImportCheckFailed, match=problem):
        workshop.check(f"{line}\n{dedent(GOOD)}")


def test_an_import_that_does_not_end_is_given_up(workshop: Workshop) -> None:
    with pytest.raises(ImportCheckFailed, match=r"did not end within 0\.5 s"):
        workshop.check(f"import threading\nthreading.Event().wait()\n{dedent(GOOD)}", deadline=0.5)


def test_threads_that_an_import_leaves_do_not_hold_it_up(workshop: Workshop) -> None:
    (check,) = workshop.check(
        f"import threading\nthreading.Thread(target=threading.Event().wait).start()\n{dedent(GOOD)}"
    )

    assert check.is_checked


def test_processes_that_an_import_leaves_are_ended(workshop: Workshop, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    leave = f"""
        import pathlib, subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"])
        pathlib.Path({str(pid_file)!r}).write_text(str(child.pid))
    """

    workshop.check(f"{dedent(leave)}{dedent(GOOD)}")

    pid = int(pid_file.read_text())
    while is_running(pid):  # a killed process takes a moment to go; one that is not killed ends the test run
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and that nobody has waited for yet does not."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2][0] not in "ZX"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc").is_dir()


def test_tasks_that_are_only_declared_when_it_runs_are_refused(workshop: Workshop) -> None:
    hidden = """
        exec("@task\\ndef hidden(context): ...")
    """

    with pytest.raises(ImportCheckFailed, match=r"'hidden' is registered, and not in the source"):
        workshop.check(f"{dedent(GOOD)}{dedent(hidden)}")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"id": "other"}, "'other' is not registered\n"),
        ({"dependencies": ("second",)}, "'first' depends on nothing; its source says second\n"),
        ({"retries": 0}, "'first' has 2 retries; its source says none\n"),
        ({"timeout_seconds": 5.0}, "'first' has 10.0 seconds of timeout; its source says 5.0\n"),
        ({"function": "demo.flow:second"}, "'first' is not what demo.flow:second leads to after the import\n"),
        ({"function": "demo.flow:gone"}, "'first' is not what demo.flow:gone leads to after the import\n"),
    ],
)
def test_each_difference_to_the_manifest_is_told(
    workshop: Workshop, changed: Mapping[str, object], problem: str
) -> None:
    assert HOST is not None
    archive, manifest = workshop.build({"src/demo/flow.py": GOOD}, targets=(HOST,))
    first, *others = manifest.tasks
    differing = manifest.model_copy(update={"tasks": (first.model_copy(update=changed), *others)})

    with pytest.raises(ImportCheckFailed) as raised:
        workshop.check_built(archive, differing, (HOST,))

    assert problem in raised.value.message


def test_a_machine_that_is_no_target_checks_nothing_and_says_so(workshop: Workshop) -> None:
    assert HOST is not None
    other = Target(next(platform for platform in PLATFORMS if platform != HOST.platform), HOST.python)
    archive, manifest = workshop.build({"src/demo/flow.py": GOOD}, targets=(other,))

    (check,) = workshop.check_built(archive, manifest, (other,))

    assert (check.target, check.is_checked) == (None, False)
    assert check.reason == f"this machine is {HOST.platform}, for which it was not built"


def uv_that_finds(folder: Path, answer: str) -> Uv:
    program = folder / "uv"
    program.write_text(f"#!/bin/sh\n{answer}\n", encoding="utf-8")
    program.chmod(0o755)
    return Uv(program, "0.13.8")


@pytest.mark.parametrize("answer", ["echo not found >&2; exit 2", f"echo {sys.executable}", "echo /nonexistent/python"])
def test_a_python_that_is_not_on_the_machine_is_not_checked_and_that_is_told(
    workshop: Workshop, tmp_path: Path, answer: str
) -> None:
    assert HOST is not None
    other = Target(HOST.platform, "3.14" if HOST.python != "3.14" else "3.13")
    archive, manifest = workshop.build({"src/demo/flow.py": GOOD}, targets=(HOST, other))

    checks = workshop.check_built(archive, manifest, (HOST, other), uv=uv_that_finds(tmp_path, answer))

    assert [check.is_checked for check in checks] == [True, False]
    assert checks[1].reason == f"there is no Python {other.python} on this machine"


def test_the_sdk_is_all_that_the_lowest_layer_needs_and_nothing_else(tmp_path: Path) -> None:
    sdk = write_sdk(tmp_path / "sdk")
    program = (
        f"import sys; sys.path.append({str(sdk)!r}); import cloacina, json\n"
        "names = [name for name in cloacina.__all__ if name in vars(cloacina)]\n"
        "files = sorted({module.__file__ for name, module in sys.modules.items() if name.startswith('cloacina')})\n"
        "print(json.dumps([names, files]))"
    )
    loaded = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program], capture_output=True, text=True, check=False
    )

    assert loaded.returncode == 0, loaded.stderr
    names, files = json.loads(loaded.stdout)
    assert {"Context", "TaskHandle", "Workflow", "task", "HandleConsumed"} <= set(names)
    imported = {Path(file).relative_to(sdk / "cloacina").parts[0] for file in files}
    assert imported == set(SDK_MODULES)
