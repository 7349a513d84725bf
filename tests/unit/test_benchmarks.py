"""The benchmarks measure what their table says; what they find is never asserted."""

from __future__ import annotations

import json
import platform
import socket
import subprocess
import sys
from functools import partial
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
SMALL = {
    "executions": 3,
    "tasks": 3,
    "width": 3,
    "waits": 5,
    "modules": 6,
    "seconds": 0.01,
    "sent": 2,
    "commits": 10,
    "waiting": 4,
    "running": 2,
}
MEASUREMENTS = [
    "one-by-one",
    "at-once",
    "at-once-each",
    "one-by-one-full",
    "at-once-full",
    "def-tasks",
    "chain",
    "fan-out",
    "freed-slots",
    "loading",
    "starting",
    "discovery",
    "checkpoints",
    "recovery",
    "signals",
    "waits",
    "waits-file",
    "cancel",
    "blocking-waits-500",
    "blocking-waits-1000",
    "build-large",
    "waits-large",
    "waits-file-large",
    "cancel-large",
    "signals-large",
]

# Those that differ in their numbers alone are run once.
DIFFERENT = [name for name in MEASUREMENTS if not name.endswith(("-large", "-1000"))]


@pytest.fixture(autouse=True)
def root_is_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)


def module(name: str) -> ModuleType:
    return import_module(f"benchmarks.{name}" if name else "benchmarks")


def measurement_of(name: str) -> Any:
    (found,) = (measurement for measurement in module("rows").MEASUREMENTS if measurement.name == name)
    return found


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def row(**changed: Any) -> Any:
    return module("rows").Row(**{"text": "work", "figure": "seconds", "unit": "s"} | changed)


def measured(row: Any, floor: list[float] | None = None, **rounds: list[float]) -> Any:
    """Return the line of a row with these figures of each round."""
    by_contestant = {name: [{row.figure: value} for value in values] for name, values in rounds.items()}
    if floor is not None:
        by_contestant["floor"] = [{row.figure: value} for value in floor]
    contestants = tuple(rounds)
    measurement = module("rows").Measurement("some", "workload", (row,), contestants=contestants)
    (line,) = module("report").lines_of(measurement, {}, module("running").Figures(by_contestant))
    return line


def test_this_file_knows_every_measurement_by_its_own_name() -> None:
    assert [measurement.name for measurement in module("rows").MEASUREMENTS] == MEASUREMENTS


@pytest.mark.parametrize("name", DIFFERENT)
def test_each_row_has_its_figure_from_the_workload_it_names(
    name: str, tmp_path: Path, anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for waits in ("waits", "signals"):
        monkeypatch.setattr(module(f"workloads.{waits}"), "_SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(module("fresh_process"), "_TIMES", 0)
    measurement = measurement_of(name)
    options = {key: SMALL.get(key, value) for key, value in measurement.options.items()}
    measure = module(f"workloads.{measurement.workload}").measure

    figures = anyio.run(partial(measure, tmp_path, **options), backend=anyio_backend)

    assert {row.figure for row in measurement.rows} <= figures.keys()
    assert figures.get("finished", SMALL["waits"]) == SMALL["waits"]


@pytest.mark.parametrize("name", ["one-by-one", "at-once-each", "checkpoints", "signals", "waits", "waits-file"])
def test_the_floor_has_the_figures_it_is_compared_by(name: str, tmp_path: Path) -> None:
    measurement = measurement_of(name)
    options = {key: SMALL.get(key, value) for key, value in measurement.options.items()}
    run_floor = getattr(module("floor"), measurement.floor)

    figures = anyio.run(partial(run_floor, tmp_path, **options), backend="asyncio")

    assert figures.keys() & {row.figure for row in measurement.rows}


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_a_quick_run_changes_only_options_that_the_workload_has(name: str) -> None:
    measurement = measurement_of(name)
    measure = module(f"workloads.{measurement.workload}").measure

    assert measurement.quick.keys() <= measurement.options.keys()
    signature(measure).bind(Path(), **measurement.options)


def test_a_relative_row_is_the_quotient_with_the_floor_of_the_same_round() -> None:
    line = measured(row(unit="x"), floor=[1.0, 2.0, 4.0], asyncio=[2.0, 3.0, 4.0])

    assert line.values["asyncio"] == [2.0, 1.5, 1.0]


def test_the_floor_stands_beside_an_absolute_row() -> None:
    assert measured(row(), floor=[1.0, 2.0], asyncio=[3.0, 4.0]).floor == [1.0, 2.0]


@pytest.mark.parametrize(
    ("more_is_better", "values", "is_met", "rounds_met"),
    [
        (False, [1.0, 2.0, 9.0], True, 2),
        (False, [1.0, 2.1, 9.0], False, 1),
        (True, [1.0, 2.0, 9.0], True, 2),
        (True, [1.0, 1.9, 9.0], False, 1),
    ],
)
def test_a_target_is_met_by_the_median_and_the_rounds_are_counted(
    more_is_better: bool, values: list[float], is_met: bool, rounds_met: int
) -> None:
    line = measured(row(target=2.0, more_is_better=more_is_better), asyncio=values)

    assert line.is_met is is_met
    assert line.rounds_met == rounds_met


def test_trio_is_shown_and_does_not_count() -> None:
    line = measured(row(target=2.0), asyncio=[1.0], trio=[5.0])

    assert line.is_met is True
    assert "5 s" in module("report").table([line])


def test_a_row_without_a_target_is_neither_met_nor_missed() -> None:
    assert measured(row(), asyncio=[1.0]).is_met is None


@pytest.mark.parametrize(
    ("more_is_better", "shown"), [(False, "3 s … 1 s"), (True, "1 s … 3 s")], ids=["less is better", "more is better"]
)
def test_the_table_names_the_worst_round_first(more_is_better: bool, shown: str) -> None:
    line = measured(row(more_is_better=more_is_better), asyncio=[2.0, 1.0, 3.0])

    assert shown in module("report").table([line])


def test_a_missed_target_is_shown_as_such() -> None:
    assert "NO (1/3)" in module("report").table([measured(row(target=2.0), asyncio=[1.0, 3.0, 4.0])])


def test_one_measurement_prints_its_table_and_writes_its_results(tmp_path: Path) -> None:
    results = tmp_path / "results.json"

    ended = benchmarks("--only", "freed-slots", "--rounds", "1", "--json", str(results))

    assert ended.returncode == 0, ended.stderr
    assert "4 tasks deferring + 1 real task" in ended.stdout
    written = json.loads(results.read_text())
    assert written["format"] == 1
    assert written["machine"]["python"].endswith(platform.python_version())
    assert written["rows"][0]["values"].keys() == {"asyncio", "trio"}


def test_results_do_not_tell_whose_machine_it_was() -> None:
    facts = json.dumps(module("machine").facts())

    assert socket.gethostname() not in facts
    assert str(Path.home()) not in facts


def test_a_workload_that_fails_is_named_and_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = module("rows")
    command = module("__main__")
    missing = rows.Measurement("missing", "no_such_workload", (row(),), rounds=1, contestants=("asyncio",))
    small = rows.Measurement(
        "small", "chain", (row(text="chain"),), {"tasks": 2, "executions": 1, "slots": 4}, rounds=1
    )
    monkeypatch.setattr(command, "MEASUREMENTS", (missing, small))
    monkeypatch.chdir(ROOT)

    assert command.main([]) == 1

    printed = capsys.readouterr()
    assert "no_such_workload on asyncio ended with code 1" in printed.err
    assert "chain" in printed.out


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    ended = benchmarks("--only", "speed")

    assert ended.returncode != 0
    assert "unknown: speed; --only takes one-by-one, at-once" in ended.stderr
