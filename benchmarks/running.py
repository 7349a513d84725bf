"""Runs the workloads, each contestant in turn and in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.rows import Measurement, Row

FLOOR = "floor"
_RUN_SECONDS = 900


class RunFailed(Exception):
    """Raised when a workload's process did not print its figures."""


@dataclass(frozen=True)
class Figures:
    """What all rounds of one measurement have found.

    Attributes:
        by_contestant: The figures of each round, in order.
    """

    by_contestant: Mapping[str, list[Mapping[str, float]]]

    def values(self, row: Row, contestant: str) -> list[float]:
        """Return a row's value in each round; of a relative row, the quotient with the floor of the same round."""
        found = [figures[row.figure] for figures in self.by_contestant.get(contestant, ())]
        if row.unit != "x":
            return found
        floor = [figures[row.figure] for figures in self.by_contestant[FLOOR]]
        return [value / least for value, least in zip(found, floor, strict=True)]

    def floor(self, row: Row) -> list[float]:
        """Return the floor's own figure in each round; nothing when it has none."""
        if row.unit == "x":
            return []
        return [figures[row.figure] for figures in self.by_contestant.get(FLOOR, ()) if row.figure in figures]


def run(measurement: Measurement, options: Mapping[str, Any], rounds: int, progress: Callable[[str], None]) -> Figures:
    """Run all contestants of a measurement, one after another, round by round.

    What else the machine does changes over minutes, so contestants that are compared run within seconds of each other;
    each round begins with another one, so that none always follows the same.

    Raises:
        RunFailed: A workload failed.
    """
    contestants = [*([FLOOR] if measurement.floor else ()), *measurement.contestants]
    found: dict[str, list[Mapping[str, float]]] = defaultdict(list)
    for number in range(rounds):
        first = number % len(contestants)
        for contestant in contestants[first:] + contestants[:first]:
            progress(f"{measurement.name}: round {number + 1} of {rounds}, {contestant}")
            workload = measurement.floor if contestant == FLOOR and measurement.floor else measurement.workload
            found[contestant].append(_run_once(workload, contestant, options))
    return Figures(found)


def _run_once(workload: str, contestant: str, options: Mapping[str, Any]) -> Mapping[str, float]:
    command = [sys.executable, "-m", "benchmarks.child", workload, contestant, json.dumps(dict(options))]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_RUN_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise RunFailed(f"{workload} on {contestant} has not ended within {_RUN_SECONDS} s") from None
    if ended.returncode:
        raise RunFailed(f"{workload} on {contestant} ended with code {ended.returncode}:\n{ended.stderr[-3_000:]}")
    figures: Mapping[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return figures
