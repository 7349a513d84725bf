"""Measures what programs take in processes that have loaded nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_TIMES = 5


def least_seconds(folder: Path, programs: Mapping[str, Sequence[str]]) -> dict[str, list[float]]:
    """Run programs that print a list of seconds, one after the other, several times; return the least of each.

    Bytecode is cached, as it is wherever a package was installed; the runs that fill the cache do not count.

    Args:
        folder: Where the cache goes.
        programs: By name, the source and the arguments; `{}` in an argument becomes the number of the run.
    """
    found: dict[str, list[list[float]]] = {name: [] for name in programs}
    for number in range(_TIMES + 1):
        for name, (program, *arguments) in programs.items():
            printed = run_fresh(folder, (program, *(argument.format(number) for argument in arguments)))
            found[name].append(json.loads(printed))
    return {name: [min(seconds) for seconds in zip(*(runs[1:] or runs), strict=True)] for name, runs in found.items()}


def run_fresh(folder: Path, command: Sequence[str]) -> str:
    """Run a program in a process of its own, and return what it has printed.

    Args:
        folder: Where its bytecode is cached.
        command: The source and the arguments.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    program = [sys.executable, "-c", *command]
    return subprocess.run(program, capture_output=True, text=True, check=True, env=environment).stdout
