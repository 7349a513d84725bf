"""Ctrl+C cancels the execution cleanly, and a second one leaves at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from cloacina import ExecutionStatus, Runner, TaskStatus
from cloacina.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

FLOW = """
    import threading
    from cloacina import BlockingTaskHandle, Context, TaskHandle, Workflow, task

    with Workflow("waiting") as waiting:
        @task
        async def wait_for_ever(context: Context, handle: TaskHandle) -> None:
            await handle.defer_until(lambda: False)

        @task
        def wait_in_a_thread(context: Context, handle: BlockingTaskHandle) -> None:
            try:
                handle.defer_until(lambda: False)
            finally:
                print("cleaned up", flush=True)

    with Workflow("deaf") as deaf:
        @task
        def never_listens(context: Context) -> None:
            print("working", flush=True)
            threading.Event().wait()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flow.py").write_text(dedent(FLOW), encoding="utf-8")
    return tmp_path


@contextmanager
def running(folder: Path, *arguments: str) -> Generator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLOACINA_")}
    with subprocess.Popen(
        [sys.executable, "-m", "cloacina", "run", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], *texts: str) -> None:
    """Read lines until each text has stood in one; the process writes each line at once."""
    assert process.stdout is not None
    missing = set(texts)
    for line in process.stdout:
        missing -= {text for text in missing if text in line}
        if not missing:
            return
    raise AssertionError(f"the process ended before it wrote {missing}")


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_signal_cancels_the_execution_and_the_database_says_so(
    folder: Path, number: signal.Signals, expected: ExitCode
) -> None:
    with running(folder, "flow.py:waiting") as process:
        read_until(process, "wait_for_ever     Deferred", "wait_in_a_thread  Deferred")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == expected
    assert "cancelling; press Ctrl+C again to leave at once" in out
    assert "cleaned up" in out
    assert "\nCancelled in " in out
    assert len(err.splitlines()) == 1
    assert err.startswith("error: execution ")
    assert "[CLO-1302]" in err
    with Runner(folder / "cloacina.db") as runner:
        (execution,) = runner.executions()
        assert execution.status is ExecutionStatus.CANCELLED
        assert {task.status for task in runner.tasks(execution.id)} == {TaskStatus.CANCELLED}


def test_second_signal_leaves_at_once_though_a_thread_goes_on(folder: Path) -> None:
    with running(folder, "flow.py:deaf") as process:
        read_until(process, "working")
        process.send_signal(signal.SIGINT)
        read_until(process, "cancelling")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
