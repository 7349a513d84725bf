"""Starts a program of this folder in a process of its own: no site-packages, few variables, a deadline."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PASSED_ON: Final = frozenset(
    {
        "HOME",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "PATH",
        "SYSTEMROOT",
        "TEMP",
        "TMP",
        "TMPDIR",
        "TZ",
        "USERPROFILE",
    }
)
"""The environment variables that the process gets: no other one, so that no secret of this process reaches it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended.

    Attributes:
        report: What it has reported, or None if it ended before that.
        exit_code: Its exit code; below 0 the number of the signal that ended it, None when its time was up.
        output: What it printed.
    """

    report: Mapping[str, Any] | None
    exit_code: int | None
    output: str


def run_isolated(python: Path, program: Path, request: Mapping[str, Any], folder: Path, *, deadline: float) -> Ended:
    """Run a program, and wait until it has reported.

    Standard input, output and error are files: a process that the package leaves behind can hold up nobody. Whatever
    of its process group is left at the end is killed, also when this process is interrupted.

    Args:
        python: The interpreter.
        program: The file to run.
        request: What it reads from its standard input, as JSON.
        folder: An existing, empty folder: the process's current one, and where its files are.
        deadline: For how many seconds it may run.

    Raises:
        OSError: The interpreter cannot be started.
    """
    current = folder / "current"
    current.mkdir()
    files = {name: folder / name for name in ("request.json", "report.json", "output.txt")}
    files["request.json"].write_text(json.dumps(request), encoding="utf-8")
    with (
        files["request.json"].open("rb") as stdin,
        files["report.json"].open("wb") as stdout,
        files["output.txt"].open("wb") as stderr,
    ):
        process = subprocess.Popen(  # noqa: S603 - an interpreter that was chosen by its version
            # -I: no variables, no current folder, no user's folder; -S: no site-packages; -B: no byte code beside it.
            [python, "-I", "-S", "-B", program],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=current,
            env={name: value for name, value in os.environ.items() if name in PASSED_ON},
            start_new_session=True,
        )
        try:
            exit_code = process.wait(deadline)
        except subprocess.TimeoutExpired:
            exit_code = None
        finally:
            kill_group(process)
    written = files["report.json"].read_bytes()
    return Ended(
        report=json.loads(written) if exit_code == 0 and written else None,
        exit_code=exit_code,
        output=files["output.txt"].read_text(encoding="utf-8", errors="replace"),
    )


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a process group, and wait for its leader, a process that was started as such."""
    if os.name == "posix":
        # Nobody may be left; macOS answers PermissionError for a group of which only ended processes are.
        with suppress(ProcessLookupError, PermissionError):
            # The group outlives its leader while it has members.
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
