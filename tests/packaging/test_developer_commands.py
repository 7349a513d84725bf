"""The developer's commands find their tasks, refuse what they don't know, and fail when something failed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]


def angreal(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"ANGREAL_NO_AUTO_COMPLETION": "1", "HOME": str(home)}
    program = Path(sys.executable).with_name("angreal")
    return subprocess.run([program, *arguments], cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


def test_the_visible_folder_is_the_one_that_angreal_reads() -> None:
    visible, read = [sorted(path.name for path in (ROOT / name).glob("*.py")) for name in ("angreal", ".angreal")]
    assert "task_test.py" in visible
    assert visible == read


def test_every_command_is_there_and_no_shell_is_touched(tmp_path: Path) -> None:
    listed = angreal("tree", "--long", home=tmp_path)
    assert listed.returncode == 0, listed.stderr
    commands = {line.split(" ")[0] for line in listed.stdout.splitlines()}
    assert {"bench", "chaos", "check", "demo", "fuzz", "mutants", "test"} <= commands
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suite_is_refused_by_name(tmp_path: Path) -> None:
    refused = angreal("test", "unti", home=tmp_path)
    assert refused.returncode == 2
    assert "There is no suite unti; there are" in refused.stderr
    assert "unit" in refused.stderr


def test_an_unknown_python_fails(tmp_path: Path) -> None:
    refused = angreal("test", "unit", "--python", "3.0", home=tmp_path)
    assert refused.returncode == 1
    assert "Python 3.0: not on this machine" in refused.stdout


def test_what_follows_the_dashes_goes_to_pytest_whose_failure_is_handed_on(tmp_path: Path) -> None:
    ran = angreal("test", "unit", "--", "--collect-only", "-q", "--ignore-glob=*", home=tmp_path)
    assert ran.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, ran.stdout + ran.stderr
    assert "tests/unit --collect-only -q '--ignore-glob=*'" in ran.stdout


@pytest.fixture(scope="module")
def tracked_files() -> ModuleType:
    return load("tracked_files")


def load(name: str) -> ModuleType:
    """Return a module of the folder that angreal reads; angreal itself loads them by their path as well."""
    spec = spec_from_file_location(name, ROOT / "angreal" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "page.md").write_text("All is well.\n")
    return tmp_path


def track_everything(repository: Path) -> None:
    subprocess.run(["git", "add", "--all"], cwd=repository, check=True)


def test_a_repository_without_findings_passes(tracked_files: ModuleType, repository: Path) -> None:
    track_everything(repository)
    assert tracked_files.findings(repository) == []


@pytest.mark.parametrize("name", ["uv.lock", "theme/package-lock.json", "docs/poetry.lock"])
def test_a_tracked_lock_file_is_found(tracked_files: ModuleType, repository: Path, name: str) -> None:
    path = repository / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    assert tracked_files.findings(repository) == [], "what is not tracked is nobody's concern"
    track_everything(repository)
    (finding,) = tracked_files.findings(repository)
    assert finding.startswith(f"{name}: lock files are not tracked")


@pytest.mark.parametrize("number", range(9))
def test_a_registry_host_is_found_with_its_line(tracked_files: ModuleType, repository: Path, number: int) -> None:
    host = tracked_files.REGISTRY_HOSTS[number]
    (repository / "page.md").write_bytes(b"\xff\xfe not text\nsee https://" + host.encode() + b"/simple\n")
    track_everything(repository)
    (finding,) = tracked_files.findings(repository)
    assert finding.startswith(f"page.md:2: names the registry host {host}")


def test_a_file_that_was_removed_and_a_symlink_are_passed_over(tracked_files: ModuleType, repository: Path) -> None:
    (repository / "link.md").symlink_to("page.md")
    (repository / "gone.md").write_text(tracked_files.REGISTRY_HOSTS[0])
    track_everything(repository)
    (repository / "gone.md").unlink()
    assert tracked_files.findings(repository) == []


def test_commands_that_run_together_are_shown_one_after_the_other(capfd: pytest.CaptureFixture[str]) -> None:
    project = load("project")
    slow = [sys.executable, "-c", "import sys; sys.stdin.read(); print('first')"]
    quick = [sys.executable, "-c", "import os; print(os.environ['WORD']); raise SystemExit(3)"]

    assert project.run_together([(slow, {}), (quick, {"WORD": "second"}), (quick, {"WORD": "third"})]) == [0, 3, 3]

    lines = [line for line in capfd.readouterr().out.splitlines() if line and not line.startswith("$ ")]
    assert lines == ["first", "second", "third"]
    assert project.run_together([]) == []


MUTATED = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import ast
class Slots:
    __slots__ = ("free",)
    async def take(self, wanted: int = 1) -> bool:
        logger.info("wanted: %d", 3)
        if self.free < wanted and not self.closed:
            raise ValueError(f"only {self.free + 1}")
        self.free -= wanted
        self.last = é = "é"; await self.told()
        return self.free is None
"""
CHANGES = [
    ("1", "2"),
    ("self.free < wanted and not self.closed", "(not (self.free < wanted and (not self.closed)))"),
    ("self.free < wanted and not self.closed", "((self.free < wanted) or (not self.closed))"),
    ("self.free < wanted", "self.free <= wanted"),
    ("self.free -= wanted", "pass"),
    ("await self.told()", "pass"),
    ("self.free is None", "self.free is not None"),
    ("self.free is None", "return None"),
]


def test_changes_are_made_where_something_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "angreal")
    from mutation.changes import mutants_of

    mutants = list(mutants_of("slots.py", MUTATED.encode()))
    found = [(mutant.old.removeprefix("return "), mutant.replacement) for mutant in mutants]
    assert sorted(found) == sorted(CHANGES)
    told = next(mutant for mutant in mutants if mutant.old == "await self.told()")
    assert str(told) == "slots.py:12: `await self.told()` removed"
    changed = MUTATED.encode()[: told.start] + told.replacement.encode() + MUTATED.encode()[told.end :]
    assert changed == MUTATED.replace("await self.told()", "pass").encode()
