"""An error is lines of text, whoever its words come from, and output that nobody gets is no error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cloacina.cli import main
from cloacina.cli.exit_codes import ExitCode
from cloacina.cli.refusal import plain, refuse
from cloacina.errors import InvalidArchive

HOSTILE = "a\x1b[2Jb\x07c\u202ed\x9b31m\rerror: none"


def test_an_error_does_not_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert refuse(InvalidArchive(f"It printed:\n  {HOSTILE}")) == ExitCode.PACKAGE

    first, second = capsys.readouterr().err.splitlines()
    assert first == "error: It printed:"
    assert second.startswith(r"  a\x1b[2Jb\x07c\u202ed\x9b31m\rerror: none [CLO-")


def test_text_in_any_language_stays_as_it_is() -> None:
    assert plain("Tür, дверь, 門\n\tשער 🚪") == "Tür, дверь, 門\n\tשער 🚪"


def test_the_name_of_a_file_does_not_command_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["verify", HOSTILE]) == ExitCode.PACKAGE
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 1
    assert shown.rstrip("\n").isprintable()


@pytest.mark.skipif(os.name != "posix", reason="the shell's way to close a stream")
@pytest.mark.parametrize(
    ("command", "exit_code"), [(("explain", "CLO-2401"), ExitCode.OK), (("verify", "nothing"), ExitCode.PACKAGE)]
)
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_stream_that_is_closed_from_the_start_is_no_defect(
    closed: str, command: tuple[str, str], exit_code: ExitCode, tmp_path: Path
) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "cloacina", *command],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == exit_code
    assert "Traceback" not in done.stderr
