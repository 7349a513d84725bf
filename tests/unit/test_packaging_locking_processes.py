"""Processes end with whoever waits for them, together with what they have started."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from cloacina.packaging.locking import ProcessGroup

# Writes a line, and then waits for a child that would outlive it; both hold the writing end of the pipe in their hands.
_WITH_CHILD = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
os.rename(sys.argv[1], sys.argv[2])
child.wait()
"""
_STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.rename(sys.argv[1], sys.argv[2])
time.sleep(60)
"""


def test_output_errors_and_exit_code_are_returned(tmp_path: Path) -> None:
    program = "import os, sys; print(os.getcwd()); print('no', file=sys.stderr); sys.exit(3)"
    finished = ProcessGroup().run([sys.executable, "-c", program], folder=tmp_path)
    assert (finished.exit_code, finished.output.strip(), finished.errors.strip()) == (3, str(tmp_path.resolve()), "no")


def test_environment_is_the_one_that_was_given(tmp_path: Path) -> None:
    program = "import os; print(os.environ.get('ASKED'), os.environ.get('HOME'))"
    environment = {"ASKED": "yes", **{name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}}
    finished = ProcessGroup().run([sys.executable, "-c", program], folder=tmp_path, environment=environment)
    assert finished.output.split() == ["yes", "None"]


def test_output_that_is_not_utf_8_is_no_failure(tmp_path: Path) -> None:
    program = "import sys; sys.stdout.buffer.write(b'\\xff.')"
    assert ProcessGroup().run([sys.executable, "-c", program], folder=tmp_path).output == "\N{REPLACEMENT CHARACTER}."


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("program", [_WITH_CHILD, _STUBBORN], ids=["with a child", "deaf to SIGTERM"])
def test_terminating_a_group_ends_its_processes_with_their_children(program: str, tmp_path: Path) -> None:
    begin, started = tmp_path / "begin", tmp_path / "started"
    begin.touch()
    exit_codes: list[int] = []
    group = ProcessGroup(grace_seconds=0.2)

    def run() -> None:
        command = [sys.executable, "-c", program, str(begin), str(started)]
        exit_codes.append(group.run(command, folder=tmp_path).exit_code)

    # The thread gets the end of the output only when nobody holds the pipe any more, the child included.
    thread = threading.Thread(target=run)
    thread.start()
    while not started.exists():
        assert thread.is_alive()
        thread.join(0.01)
    group.terminate()
    thread.join()
    assert exit_codes in ([-signal.SIGTERM], [-signal.SIGKILL])


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_process_that_is_asked_for_after_the_end_is_ended_at_once(tmp_path: Path) -> None:
    group = ProcessGroup()
    with pytest.raises(ZeroDivisionError), group:
        raise ZeroDivisionError
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert group.run(command, folder=tmp_path).exit_code == -signal.SIGTERM


def test_group_that_is_left_without_an_error_goes_on(tmp_path: Path) -> None:
    with ProcessGroup() as group:
        pass
    assert group.run([sys.executable, "-c", "pass"], folder=tmp_path).exit_code == 0


def test_program_that_is_not_there_is_told_to_the_caller(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no-such-program"):
        ProcessGroup().run([tmp_path / "no-such-program"], folder=tmp_path)
