"""The arithmetic, on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

SHORTEST = 5
"""How many years there are at least on either side of a change."""


class Decade(TypedDict):
    """The flow of ten years, or of fewer at the beginning and at the end."""

    first_year: int
    mean: float
    least: int
    most: int


class Change(TypedDict):
    """Two stretches of years with different flow."""

    last_year_before: int
    before: float
    after: float
    explained: float
    """Which share of the variance the change accounts for."""


def describe_decades(first_year: int, volumes: Sequence[int]) -> list[Decade]:
    """Return the mean, the least and the greatest volume of each decade."""
    years, flow = np.arange(first_year, first_year + len(volumes)), np.asarray(volumes)
    decades = years // 10 * 10
    return [
        Decade(
            first_year=int(decade),
            mean=float(flow[decades == decade].mean()),
            least=int(flow[decades == decade].min()),
            most=int(flow[decades == decade].max()),
        )
        for decade in np.unique(decades)
    ]


def find_fall(first_year: int, volumes: Sequence[int]) -> Change:
    """Return the change that explains the measurements best: the one after which the squared errors are least.

    Every year but the first and the last few is tried. With running sums of the volumes and of their squares, the
    errors around the means of both sides come out for all years at once.
    """
    flow = np.asarray(volumes, dtype=float)
    count, total, squares = np.arange(1, len(flow) + 1), flow.cumsum(), np.square(flow).cumsum()
    left = squares - total**2 / count
    rest = np.maximum(len(flow) - count, 1)
    right = (squares[-1] - squares) - (total[-1] - total) ** 2 / rest
    errors = (left + right)[SHORTEST - 1 : len(flow) - SHORTEST]
    split = int(errors.argmin()) + SHORTEST
    return Change(
        last_year_before=first_year + split - 1,
        before=float(flow[:split].mean()),
        after=float(flow[split:].mean()),
        explained=float(1 - errors.min() / left[-1]),
    )
