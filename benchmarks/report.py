"""The results as a table, and as JSON."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.rows import Measurement, Row
    from benchmarks.running import Figures

_HEADINGS = ("work", "asyncio", "worst … best", "target", "met", "trio", "floor")
_LEFT = 1
_JSON_VERSION = 1
_JUDGED = "asyncio"


@dataclass(frozen=True)
class Line:
    """A row with what was measured.

    Attributes:
        name: The measurement it belongs to.
        row: What it is about.
        text: The row's text, filled in.
        values: Each contestant's value in each round.
        floor: The floor's own figure in each round, of a relative row.
    """

    name: str
    row: Row
    text: str
    values: Mapping[str, Sequence[float]]
    floor: Sequence[float] = ()

    @property
    def is_met(self) -> bool | None:
        """Whether the median on asyncio meets the target; None without one."""
        if self.row.target is None or not self.values.get(_JUDGED):
            return None
        return self.row.is_met(statistics.median(self.values[_JUDGED]))

    @property
    def rounds_met(self) -> int:
        """How many rounds met the target."""
        return sum(self.row.is_met(value) for value in self.values.get(_JUDGED, ()))


def lines_of(measurement: Measurement, options: Mapping[str, Any], figures: Figures) -> list[Line]:
    """Return the lines of one measurement."""
    return [
        Line(
            measurement.name,
            row,
            row.text.format_map(options),
            {contestant: figures.values(row, contestant) for contestant in measurement.contestants},
            figures.floor(row),
        )
        for row in measurement.rows
    ]


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a table of plain text."""
    cells = [_HEADINGS, *map(_cells, lines)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADINGS))]
    ruled = [cells[0], tuple("─" * width for width in widths), *cells[1:]]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column < _LEFT else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in ruled
    )


def document(lines: Sequence[Line], machine: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results as what is written as JSON."""
    return {
        "format": _JSON_VERSION,
        "machine": dict(machine),
        "settings": dict(settings),
        "rows": [
            {
                "measurement": line.name,
                "text": line.text,
                "figure": line.row.figure,
                "unit": line.row.unit,
                "target": line.row.target,
                "more_is_better": line.row.more_is_better,
                "met": line.is_met,
                "rounds_met": line.rounds_met if line.row.target is not None else None,
                "values": {contestant: _statistics(values) for contestant, values in line.values.items() if values},
                "floor": _statistics(line.floor) if line.floor else None,
            }
            for line in lines
        ],
    }


def _statistics(values: Sequence[float]) -> dict[str, Any]:
    return {"median": statistics.median(values), "minimum": min(values), "maximum": max(values), "rounds": list(values)}


def _cells(line: Line) -> tuple[str, ...]:
    judged = line.values.get(_JUDGED, ())
    return (
        line.text,
        _median(judged, line.row.unit),
        _spread(judged, line.row),
        _target(line.row),
        _met(line, len(judged)),
        _median(line.values.get("trio", ()), line.row.unit),
        _median(line.floor, line.row.unit),
    )


def _median(values: Sequence[float], unit: str) -> str:
    return _quantity(statistics.median(values), unit) if values else "–"


def _spread(values: Sequence[float], row: Row) -> str:
    if len(values) < 2:
        return "–"
    worst, best = max(values), min(values)
    if row.more_is_better:
        worst, best = best, worst
    return f"{_quantity(worst, row.unit)} … {_quantity(best, row.unit)}"


def _target(row: Row) -> str:
    if row.target is None:
        return "–"
    return f"{'≥' if row.more_is_better else '≤'} {_quantity(row.target, row.unit)}"


def _met(line: Line, rounds: int) -> str:
    if line.is_met is None:
        return "–"
    return f"{'yes' if line.is_met else 'NO'} ({line.rounds_met}/{rounds})"


def _quantity(value: float, unit: str) -> str:
    match unit:
        case "x" | "of its own":
            return f"{value:.2f} ×"
        case "s" if value < 1:
            return f"{value * 1000:.3g} ms"
        case "s":
            return f"{value:.3g} s"
        case "/s":
            return f"{value:,.0f}/s"
        case "B":
            return f"{value / 1000:.1f} kB"
        case "%":
            return f"{value:.1f} %"
        case _:
            return f"{value:,.0f}"
