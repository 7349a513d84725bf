"""A runner that is killed with many executions, and the one that takes them up: how long until the work goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from anyio import to_thread
from sniffio import current_async_library

_ROOT = Path(__file__).parents[2]


async def measure(folder: Path, *, waiting: int, running: int) -> dict[str, float]:
    """Return the seconds from the end of the imports to the first body that runs again, and to the last of all.

    Args:
        folder: Where the database file goes.
        waiting: How many executions wait for a signal.
        running: How many hold a slot.
    """
    command = [sys.executable, "-m", "benchmarks.recovering", str(folder / "measured.db"), current_async_library()]
    options = [str(waiting), str(running)]
    await to_thread.run_sync(_leave_behind, [*command, "begin", *options])
    return await to_thread.run_sync(_take_up, [*command, "take-up", *options])


def _leave_behind(command: list[str]) -> None:
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None or not process.stdout.readline():
            raise RuntimeError("the process that was to be killed has ended by itself")
        process.kill()


def _take_up(command: list[str]) -> dict[str, float]:
    ended = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(ended.stdout)
    return figures
