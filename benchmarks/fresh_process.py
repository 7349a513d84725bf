"""Measures what a program takes in a process that has loaded nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_TIMES = 3


def least_seconds(folder: Path, program: str, *arguments: str) -> list[float]:
    """Run a program that prints a list of seconds several times; return the least of each.

    Bytecode is cached, as it is wherever a package was installed; the run that fills the cache does not count.

    Args:
        folder: Where the cache goes.
        program: The source.
        arguments: Its `sys.argv`; `{}` in them becomes the number of the run.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    runs: list[list[float]] = []
    for number in range(_TIMES + 1):
        command = [sys.executable, "-c", program, *(argument.format(number) for argument in arguments)]
        ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        runs.append(json.loads(ended.stdout))
    return [min(seconds) for seconds in zip(*runs[1:], strict=True)]
