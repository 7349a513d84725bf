"""Slot timelines, drawn from recorded runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloacina.observe import read_stretches, render_svg
from docsite.recordings import recorded

if TYPE_CHECKING:
    from pathlib import Path

_WIDTH = 470
_RUNS = ("sleeping", "deferring")


def sleeping_timeline(_docs: Path) -> str:
    """Return the drawing of the run in which the waiting tasks sleep."""
    return _drawing("sleeping", "Two slots: two tasks wait asleep and keep both slots to themselves")


def deferring_timeline(_docs: Path) -> str:
    """Return the drawing of the run in which the waiting tasks defer."""
    return _drawing("deferring", "Two slots: two tasks wait deferred, and the others use both slots meanwhile")


def sleeping_seconds(_docs: Path) -> str:
    """Return how long the run takes in which the waiting tasks sleep."""
    return _duration("sleeping")


def deferring_seconds(_docs: Path) -> str:
    """Return how long the run takes in which the waiting tasks defer."""
    return _duration("deferring")


def _drawing(run: str, title: str) -> str:
    # One axis for both, so that a second is as wide in one as in the other.
    seconds = max(_seconds(name) for name in _RUNS)
    return render_svg(recorded(run), title=title, width=_WIDTH, seconds=seconds).rstrip()


def _duration(run: str) -> str:
    return f"{_seconds(run):.1f} s"


def _seconds(run: str) -> float:
    return max(stretch.end for stretch in read_stretches(recorded(run)))
