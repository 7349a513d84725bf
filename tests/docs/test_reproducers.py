"""Each error has a program, or commands, that raise it, and they still do."""

from __future__ import annotations

import runpy
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from cloacina.errors import CloacinaError, errors_by_code
from docsite.generated.errors import find_reproducer

DOCS = Path(__file__).parents[2] / "docs"
REPRODUCERS = sorted((DOCS / "reference" / "reproducers").iterdir())


def name(reproducer: Path) -> str:
    return reproducer.name


def heads_family(kind: type) -> bool:
    return kind is CloacinaError or CloacinaError in kind.__bases__


@pytest.mark.parametrize("reproducer", [file for file in REPRODUCERS if file.suffix == ".py"], ids=name)
def test_program_raises_its_error(
    reproducer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    raised = ""
    try:
        runpy.run_path(str(reproducer), run_name="__main__")
    except BaseException as error:  # noqa: BLE001 - a task's cancellation is none of the others
        raised = "".join(traceback.format_exception_only(error))
    shown = capfd.readouterr().out + raised
    assert reproducer.stem in shown


@pytest.mark.parametrize("reproducer", [file for file in REPRODUCERS if file.suffix == ".console"], ids=name)
def test_commands_show_their_error(reproducer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    lines = reproducer.read_text(encoding="utf-8").splitlines()
    script = "\n".join(line.removeprefix("$ ") for line in lines)
    done = subprocess.run(["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode != 0
    assert reproducer.stem in done.stderr


def test_every_error_has_a_reproducer() -> None:
    missing = [
        f"{code} {kind.__name__}"
        for code, kind in errors_by_code().items()
        if not heads_family(kind) and find_reproducer(code, DOCS) is None
    ]
    assert missing == []


def test_every_reproducer_is_that_of_an_error() -> None:
    assert [file.name for file in REPRODUCERS if file.stem not in errors_by_code()] == []
