"""What a drawing says to those who don't see it."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from cloacina.observe.timeline import Stretch, StretchKind

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_TOLD = 24
"""Stretches that a description tells of; who listens to it cannot skim."""


def name_drawing(stretches: Sequence[Stretch]) -> str:
    """Return the title of a drawing that was given none."""
    slots = len({stretch.slot for stretch in stretches if stretch.slot is not None})
    if not slots:
        return "Timeline of an execution in which no task has started"
    seconds = max(stretch.end for stretch in stretches)
    return f"Timeline of {slots} slot{'' if slots == 1 else 's'} over {seconds:.2f} s"


def describe(stretches: Sequence[Stretch]) -> str:
    """Return in words what a drawing shows, in the order in which it happened."""
    told = [f"{tell(stretch)}." for stretch in stretches[:_MOST_TOLD]]
    if len(stretches) > _MOST_TOLD:
        told.append(f"{len(stretches) - _MOST_TOLD} more stretches follow.")
    return " ".join(told) or "Nothing has happened."


def tell(stretch: Stretch) -> str:
    """Return a stretch in words."""
    did = {
        StretchKind.HELD: f"held slot {stretch.slot}",
        StretchKind.WAITED: "waited without a slot",
        StretchKind.QUEUED: "queued for a slot",
    }
    return f"{stretch.task_id} {did[stretch.kind]} {span([stretch])}"


def span(stretches: Sequence[Stretch]) -> str:
    """Return from when to when some stretches last."""
    return f"from {stretches[0].start:.2f} s to {stretches[-1].end:.2f} s"


def fingerprint(*parts: str) -> str:
    """Return eight letters that differ between different drawings, for ids that are unique on a page."""
    return sha256("\n".join(parts).encode()).hexdigest()[:8]
