"""`cloacina run` on a real pseudo-terminal: the live table, and what stands there in the end."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from cloacina.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

FLOW = """
    from pathlib import Path
    from cloacina import Context, RetryPolicy, TaskHandle, Workflow, task

    with Workflow("nightly") as nightly:
        @task
        async def wait_for_the_other(context: Context, handle: TaskHandle) -> None:
            await handle.defer_until(Path("there").exists, poll_interval_ms=20)

        @task
        def write_file(context: Context) -> None:
            print("writing", flush=True)
            Path("there").touch()
            context["größe"] = "✓"

        @task(retry=RetryPolicy(attempts=2, delay=0.01))
        async def flaky(context: Context, handle: TaskHandle) -> None:
            if handle.attempt == 1:
                raise ConnectionError("no route")
"""
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flow.py").write_text(dedent(FLOW), encoding="utf-8")
    return tmp_path


def run_on_terminal(
    folder: Path, *arguments: str, columns: int = 80, piped_stdout: bool = False, term: str = "xterm-256color"
) -> tuple[int, str, str]:
    """Return the exit code, what the terminal received, and what was piped."""
    terminal, child_side = pty.openpty()
    fcntl.ioctl(child_side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": term, "PYTHONUTF8": "1"}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLOACINA_DATABASE", "TTY_COMPATIBLE"):
        environment.pop(name, None)
    with subprocess.Popen(
        [sys.executable, "-m", "cloacina", "run", "flow.py", *arguments],
        cwd=folder,
        env=environment,
        stdin=child_side,
        stdout=subprocess.PIPE if piped_stdout else child_side,
        stderr=child_side,
    ) as process:
        os.close(child_side)
        received = bytearray()
        while True:
            try:
                chunk = os.read(terminal, 65_536)
            except OSError:  # Linux: the child has closed its side
                break
            if not chunk:
                break
            received += chunk
        os.close(terminal)
        piped = process.stdout.read().decode() if process.stdout else ""
    return process.returncode, received.decode(), piped


def lines_of(received: str) -> str:
    """Return the text, with a line for each time that a line was drawn."""
    return ESCAPE.sub("", received).replace("\r\n", "\n").replace("\r", "\n")


@pytest.mark.parametrize("columns", [100, 60, 45])
def test_table_is_drawn_in_place_and_stays_with_the_result(folder: Path, columns: int) -> None:
    code, received, _ = run_on_terminal(folder, columns=columns)
    assert code == ExitCode.OK
    assert "\x1b[?25l" in received, "the cursor is hidden while the table is drawn"
    assert received.rindex("\x1b[?25h") > received.rindex("\x1b[?25l"), "the cursor is shown again"
    plain = lines_of(received)
    assert all(len(line) <= columns for line in plain.splitlines())
    final = plain[plain.rindex("nightly  3/3 done  0/4 slots") :]
    for name in ("wait_for_the_other", "write_file", "flaky (attempt 2)"):
        (line,) = [line for line in final.splitlines() if name in line]
        assert line.startswith("✓  ")
        assert "Completed" in line
    assert "\nCompleted in " in final
    assert json.loads(final[final.index("\n{\n") :]) == {"größe": "✓"}


def test_what_a_task_prints_and_why_it_is_retried_stands_above_the_table(folder: Path) -> None:
    _, received, _ = run_on_terminal(folder)
    lines = lines_of(received).splitlines()
    assert "writing" in lines
    assert "attempt 1 of 'flaky' failed: ConnectionError: no route; again in 0.01 s" in lines


def test_json_on_a_pipe_leaves_the_table_on_the_terminal(folder: Path) -> None:
    code, received, piped = run_on_terminal(folder, "--json", piped_stdout=True)
    assert code == ExitCode.OK
    assert json.loads(piped)["context"] == {"größe": "✓"}
    assert "nightly  3/3 done" in ESCAPE.sub("", received)


def test_terminal_without_escape_sequences_gets_plain_lines(folder: Path) -> None:
    code, received, _ = run_on_terminal(folder, term="dumb")
    assert code == ExitCode.OK
    assert "\x1b" not in received
    assert re.search(r"s  write_file          Completed\r\n", received)
