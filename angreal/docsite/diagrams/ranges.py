"""A plot of measured figures: of each the range of all rounds, and the median."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from docsite.diagrams.drawing import Drawing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WIDTH, _LEFT, _RIGHT = 460, 62, 396
_HEADING, _BAR_ROW, _GAP = 24, 20, 10
_BAR = 10
_WRAP = 66
"""Letters of a heading that fit into the width."""


@dataclass(frozen=True)
class Range:
    """One bar.

    Attributes:
        name: Who was measured, in a word.
        least: The smallest figure of all rounds.
        median: The figure that counts.
        most: The largest.
    """

    name: str
    least: float
    median: float
    most: float


@dataclass(frozen=True)
class Group:
    """Bars of the same measurement.

    Attributes:
        heading: What was measured.
        ranges: The bars.
    """

    heading: str
    ranges: Sequence[Range]


def draw_ranges(
    title: str, groups: Sequence[Group], form: Callable[[float], str], mark: tuple[float, str] | None = None
) -> str:
    """Return the plot.

    Args:
        title: What it shows.
        groups: What was measured, from top to bottom.
        form: Writes a figure with its unit.
        mark: A figure that all others are compared with, and its name.
    """
    bars = [bar for group in groups for bar in group.ranges]
    most = max(bar.most for bar in bars) * 1.02
    height = 24 + sum(_HEADING + _BAR_ROW * len(group.ranges) + _GAP for group in groups)
    told = [f"{group.heading}: {', '.join(_tell(bar, form) for bar in group.ranges)}" for group in groups]
    drawing = Drawing(_WIDTH, height, title=title, description=". ".join(told) + ".")

    def x(figure: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * figure / most, 1)

    drawing.line((_LEFT, 18), (_LEFT, height), kind="faint")
    if mark is not None:
        drawing.line((x(mark[0]), 18), (x(mark[0]), height), kind="later")
        drawing.text(x(mark[0]), 13, mark[1], anchor="middle", kind="soft")
    top = 20.0
    for group in groups:
        drawing.text(_LEFT + 6, top + 16, group.heading[:_WRAP], kind="soft")
        top += _HEADING
        for bar in group.ranges:
            middle = top + _BAR_ROW / 2
            drawing.text(_LEFT - 8, middle + 4, bar.name, anchor="end", kind="soft")
            drawing.box(_LEFT, middle - 1, x(bar.least) - _LEFT, 2, "active")
            drawing.box(x(bar.least), middle - _BAR / 2, max(x(bar.most) - x(bar.least), 2), _BAR, "deferred")
            drawing.box(x(bar.median) - 2, middle - _BAR / 2 - 2, 4, _BAR + 4, "resuming")
            drawing.text(_WIDTH, middle + 4, form(bar.median), anchor="end", kind="soft")
            top += _BAR_ROW
        top += _GAP
    return drawing.svg()


def _tell(bar: Range, form: Callable[[float], str]) -> str:
    return f"{bar.name} {form(bar.median)}, from {form(bar.least)} to {form(bar.most)}"
