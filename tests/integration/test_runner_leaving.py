"""Leaving a runner's block tells what went wrong, and does not hang."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cloacina import Context, Runner, StoreWriteFailed, Workflow, task

WAITS_FOR_EVER = """\
import signal, sqlite3, sys
from cloacina import Context, Runner, TaskHandle, Workflow, task

@task
async def wait(context: Context, handle: TaskHandle) -> None:
    print("waits", flush=True)
    await handle.defer_until(lambda: False)

signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
with Runner(sys.argv[1]) as runner:
    runner.submit(Workflow("waits", tasks=[wait]))
"""


def test_a_signal_handler_that_exits_cancels_what_the_block_waits_for(tmp_path: Path) -> None:
    database = tmp_path / "runs.db"
    with subprocess.Popen(
        [sys.executable, "-c", WAITS_FOR_EVER, f"sqlite:///{database}"], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "waits\n"
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=30) == 7
    with Runner(f"sqlite:///{database}") as runner:
        assert [execution.status for execution in runner.executions()] == ["Cancelled"]


def test_a_file_that_was_removed_in_the_last_second_is_told_of_on_leaving(tmp_path: Path) -> None:
    database = tmp_path / "runs.db"

    @task
    def tidy(context: Context) -> None:
        database.unlink()

    with pytest.raises(StoreWriteFailed, match="removed or replaced"), Runner(database) as runner:
        runner.execute(Workflow("tidies", tasks=[tidy]))
