"""Round numbers for the axis of a timeline."""

from __future__ import annotations

import math


def round_step(least: float) -> float:
    """Return the smallest of 1, 2, 5, 10, 20, … and of their tenths, hundredths, … that is at least a number.

    Args:
        least: A number above 0.
    """
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)


def round_ticks(seconds: float, most: int) -> list[float]:
    """Return round numbers of seconds from 0 to a duration, evenly apart.

    Args:
        seconds: The duration, above 0.
        most: How many steps there may be at most; at least 1.
    """
    step = round_step(seconds / max(most, 1))
    return [index * step for index in range(int(seconds / step) + 1)]
