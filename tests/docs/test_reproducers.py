"""Each error has a program, or commands, that raise it, and they still do; what it says is what its page shows.

What an error says lies beside its program, its long lines wrapped, with a `…` for each part that differs from run to
run.
"""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import textwrap
import traceback
from pathlib import Path

import pytest

from cloacina.errors import errors_by_code
from cloacina.store.records import ExecutionResult
from docsite.generated.errors import find_reproducer, heads_family, message_file

DOCS = Path(__file__).parents[2] / "docs"
REPRODUCERS = sorted((DOCS / "reference" / "reproducers").iterdir())
VARYING = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b\d+(?= polls\b)")
WIDTH = 80


def name(reproducer: Path) -> str:
    return reproducer.name


def message_in(shown: str, code: str) -> str:
    """Return what an error says in a traceback or in the output of a command, without its code and its link."""
    found = re.search(rf"^[ |]*(?:cloacina\.errors\.\w+|error): (.*?) \[{code}\]", shown, re.DOTALL | re.MULTILINE)
    return found[1] if found else ""


def check_message(code: str, message: str, folder: Path, *, update: bool) -> None:
    """Compare what an error says with what its page shows, or write it there."""
    file = message_file(code, DOCS)
    shown = " ".join(file.read_text(encoding="utf-8").split()) if file.exists() else ""
    if is_shown(message, shown) or not update:
        assert is_shown(message, shown), f"{file.name} shows {shown!r}, the error says {message!r}"
        return
    general = VARYING.sub("…", message.replace(str(folder), "…"))
    file.write_text("".join(f"{wrapped(line)}\n" for line in general.splitlines()), encoding="utf-8")


def wrapped(line: str) -> str:
    """Return a line that is not too wide; one that is not, as in a table, keeps its spaces."""
    if len(line) <= WIDTH:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    below = f"{indent}  " if indent else ""
    return textwrap.fill(line, WIDTH, subsequent_indent=below, break_on_hyphens=False, break_long_words=False)


def is_shown(message: str, shown: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), " ".join(message.split())) is not None


@pytest.mark.parametrize("reproducer", [file for file in REPRODUCERS if file.suffix == ".py"], ids=name)
def test_program_raises_its_error(
    reproducer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], update: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    raised = kept = ""
    try:
        names = runpy.run_path(str(reproducer), run_name="__main__")
    except BaseException as error:  # noqa: BLE001 - a task's cancellation is none of the others
        raised = "".join(traceback.format_exception_only(error))
    else:
        result = names.get("result")
        if isinstance(result, ExecutionResult) and result.error is not None:
            kept = result.error.traceback
    shown = capfd.readouterr().out + raised
    assert reproducer.stem in shown
    check_message(reproducer.stem, message_in(raised or kept, reproducer.stem), tmp_path, update=update)


@pytest.mark.parametrize("reproducer", [file for file in REPRODUCERS if file.suffix == ".console"], ids=name)
def test_commands_show_their_error(
    reproducer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, update: bool
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    lines = reproducer.read_text(encoding="utf-8").splitlines()
    script = "\n".join(line.removeprefix("$ ") for line in lines)
    done = subprocess.run(["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode != 0
    assert reproducer.stem in done.stderr
    check_message(reproducer.stem, message_in(done.stderr, reproducer.stem), tmp_path, update=update)


def test_message_that_the_page_does_not_show_is_found(tmp_path: Path) -> None:
    check_message("CLO-1105", " ".join(message_file("CLO-1105", DOCS).read_text().split()), tmp_path, update=False)
    with pytest.raises(AssertionError, match="the error says"):
        check_message("CLO-1105", "something else", tmp_path, update=False)
    with pytest.raises(AssertionError, match="the error says"):
        check_message("CLO-1105", "", tmp_path, update=False)


def test_every_error_has_a_reproducer() -> None:
    missing = [
        f"{code} {kind.__name__}"
        for code, kind in errors_by_code().items()
        if not heads_family(kind) and find_reproducer(code, DOCS) is None
    ]
    assert missing == []


def test_every_reproducer_is_that_of_an_error() -> None:
    assert [file.name for file in REPRODUCERS if file.stem not in errors_by_code()] == []
