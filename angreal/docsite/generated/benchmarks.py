"""Measured figures, read from what the benchmarks have written.

`python -m benchmarks --json benchmarks/results/recorded.json` writes them. So the numbers on a page are those of a run,
with the machine that it ran on, and nobody types one.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docsite.diagrams.ranges import Group, Range, draw_ranges
from docsite.generated.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results" / "recorded.json"

_ABOUT_PACKAGES = ("discovery", "build-large")
_ABOUT_SIGNALS = ("checkpoints", "signals", "recovery")
_KILO = 1000
_NO_BREAK = "&nbsp;"


def floor_plot(_docs: Path) -> str:
    """Return the plot of what is measured as a multiple of the floor."""
    groups = [Group(row["text"].removeprefix("… "), [*_ranges(row)]) for row in _rows() if row["unit"] == "x"]
    return draw_ranges("Multiples of the floor", groups, lambda figure: f"{figure:.2f} ×", mark=(1.0, "the floor"))


def memory_plot(_docs: Path) -> str:
    """Return the plot of the memory that a wait takes."""
    groups = []
    heading = ""
    for row in _rows():
        if not row["text"].startswith("… "):
            heading = row["text"].partition(":")[0]
        if row["unit"] == "B":
            groups.append(Group(heading, [*_ranges(row, _KILO)]))
    return draw_ranges("Memory of a wait", groups, lambda figure: f"{figure:.1f} kB")


def waits_table(_docs: Path) -> str:
    """Return what a wait costs, of `async def` and of `def` tasks, in a few lines."""
    rows = [
        ("memory of a wait, `async def`", _figure("waits", "bytes")),
        ("memory of a wait, `def`, its thread with it", _figure("blocking-waits-1000", "bytes")),
        (f"CPU of one core, {_count('waits')} waits polled once a second", _figure("waits", "cpu")),
        ("a freed slot serves the next task after", _figure("freed-slots", "seconds")),
    ]
    return table(("measured", "median"), rows)


def packages_table(_docs: Path) -> str:
    """Return what the work on packages takes, beside what it may take."""
    return _aimed(_ABOUT_PACKAGES)


def signals_table(_docs: Path) -> str:
    """Return what checkpoints, signals and the recovery from a crash take, beside what they may take."""
    return _aimed(_ABOUT_SIGNALS)


def _aimed(measurements: Sequence[str]) -> str:
    rows = [
        (
            row["text"].removeprefix("… "),
            _with_range(row["values"]["asyncio"], row["unit"]),
            _with_range(row["floor"], row["unit"]),
            _written(row["target"], row["unit"]),
        )
        for row in _rows()
        if row["measurement"] in measurements and row["target"] is not None
    ]
    return table(("work", "measured", "floor", "may take"), rows)


def all_figures(_docs: Path) -> str:
    """Return every figure, as a table: each median, and what it ranged over."""
    rows = []
    for row in _rows():
        values = row["values"]
        found = [values.get("asyncio"), values.get("trio"), row["floor"]]
        rows.append((row["text"], *(_with_range(figure, row["unit"]) for figure in found)))
    return table(("measured", "asyncio", "trio", "floor"), rows)


def _with_range(found: dict[str, Any] | None, unit: str) -> str:
    if found is None:
        return "–"
    least, most = (_written(found[end], unit) for end in ("minimum", "maximum"))
    return f"{_written(found['median'], unit)}<br><small>{least} … {most}</small>"


def targets(_docs: Path) -> str:
    """Return how many of the project's own targets were met, and which were not."""
    aimed = [row for row in _rows() if row["met"] is not None]
    missed = [
        f"*{row['text'].removeprefix('… ')}*, {_figure(row['measurement'], row['figure'], row['unit'])} where "
        f"{'at least' if row['more_is_better'] else 'at most'} {_written(row['target'], row['unit'])} is the target"
        for row in aimed
        if not row["met"]
    ]
    told = f"The project has set itself {len(aimed)} targets, and this run met {len(aimed) - len(missed)} of them."
    return f"{told} Not met: {'; '.join(missed)}." if missed else told


def machine(_docs: Path) -> str:
    """Return what the figures were taken on."""
    found = _document()["machine"]
    libraries = ", ".join(f"{name} {number}" for name, number in found["libraries"].items())
    return (
        f"Taken on {found['cores']} cores, {found['system']} {found['architecture']}, with {found['python']}, SQLite "
        f"{found['sqlite']}, {libraries}. The load average was {found['load_average']} when the run began."
    )


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return document


def _rows() -> Iterator[dict[str, Any]]:
    yield from _document()["rows"]


def _row(measurement: str, figure: str, unit: str | None = None) -> dict[str, Any]:
    return next(
        row
        for row in _rows()
        if (row["measurement"], row["figure"]) == (measurement, figure) and unit in (None, row["unit"])
    )


def _figure(measurement: str, figure: str, unit: str | None = None) -> str:
    row = _row(measurement, figure, unit)
    return _written(row["values"]["asyncio"]["median"], row["unit"])


def _count(measurement: str) -> str:
    """Return the number that the text of a measurement begins with."""
    text: str = _row(measurement, "bytes")["text"]
    return text.partition(" ")[0].replace(",", _NO_BREAK)


def _ranges(row: dict[str, Any], divisor: float = 1) -> Iterator[Range]:
    for contestant, found in row["values"].items():
        yield Range(contestant, found["minimum"] / divisor, found["median"] / divisor, found["maximum"] / divisor)


def _written(value: float, unit: str) -> str:
    # With no-break spaces: in a narrow column, a figure and its unit stay together.
    return _spaced(value, unit).replace(" ", _NO_BREAK)


def _spaced(value: float, unit: str) -> str:
    match unit:
        case "x" | "of its own":
            return f"{value:.2f} ×"
        case "s" if value < 1:
            return f"{value * _KILO:.3g} ms"
        case "s":
            return f"{value:.3g} s"
        case "/s":
            return f"{value:,.0f} /s"
        case "B":
            return f"{value / _KILO:.1f} kB"
        case "%":
            return f"{value:.1f} %"
        case _:
            return f"{value:,.0f}"
