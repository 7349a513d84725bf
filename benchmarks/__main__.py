"""`python -m benchmarks`: measure, print the table, write the results.

Missing a target is a result, not an error: the exit code is 0 then too. It is 1 when a workload failed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import machine, report
from benchmarks.rows import MEASUREMENTS
from benchmarks.running import RunFailed, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.rows import Measurement

_NOTE = (
    "SQLite file in a temporary folder, WAL, durability fast where not said. Medians of several rounds, each in a\n"
    "fresh process; met: by the median (by so many rounds).\n"
    "× is a multiple of the floor in the same round: asyncio and sqlite3 by hand, one writer thread, grouped commits."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; return the exit code."""
    options = _parser().parse_args(arguments)
    chosen = _chosen(options.only, large=options.large)
    if options.list:
        print("\n".join(measurement.name for measurement in MEASUREMENTS))
        return 0
    found = machine.facts()
    lines: list[report.Line] = []
    failures: list[str] = []
    for measurement in chosen:
        arguments_of_it = {**measurement.options, **(measurement.quick if options.quick else {})}
        rounds = options.rounds or (min(2, measurement.rounds) if options.quick else measurement.rounds)
        try:
            figures = run(measurement, arguments_of_it, rounds, _progress)
        except RunFailed as error:
            failures.append(str(error))
            continue
        lines += report.lines_of(measurement, arguments_of_it, figures)
    print(report.table(lines))
    print(f"\n{machine.summary(found)}\n{_NOTE}")
    if options.quick:
        print("A quick run: smaller and fewer than what the targets are about.")
    if options.json is not None:
        settings = {"quick": options.quick, "large": options.large}
        options.json.write_text(json.dumps(report.document(lines, found, settings), indent=2) + "\n")
    for failure in failures:
        print(f"\nFAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Cloacina against a floor.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and fewer waits: a look, not a result")
    parser.add_argument("--large", action="store_true", help="also 100 000 waits; takes minutes and 1 GB of memory")
    parser.add_argument("--only", action="append", metavar="NAME", help="only this measurement; may be repeated")
    parser.add_argument(
        "--rounds", type=_positive, metavar="N", help="how often each is run, in place of its own number"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results with the facts of the machine")
    parser.add_argument("--list", action="store_true", help="print the names that --only takes")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"at least 1, not {number}")
    return number


def _chosen(names: Sequence[str] | None, *, large: bool) -> list[Measurement]:
    if not names:
        return [measurement for measurement in MEASUREMENTS if large or not measurement.is_large]
    known = {measurement.name: measurement for measurement in MEASUREMENTS}
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"unknown: {', '.join(unknown)}; --only takes {', '.join(known)}")
    return [known[name] for name in names]


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
