"""Drawings of how the engine works, made by code, so that they share one look and can be corrected like text.

Each is one SVG element for the middle of a page: it takes the page's colours, tells in words what it shows, and moves
nothing unless a pointer rests on it, and then only for those who have not asked for stillness.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docsite.diagrams.commits import draw_commits
from docsite.diagrams.fingerprint import draw_fingerprint
from docsite.diagrams.queue import draw_queue
from docsite.diagrams.sequence import draw_sequence
from docsite.diagrams.states import draw_states
from docsite.diagrams.token import draw_token

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DIAGRAMS: Mapping[str, Callable[[], str]] = {
    "commits": draw_commits,
    "fingerprint": draw_fingerprint,
    "queue": draw_queue,
    "sequence": draw_sequence,
    "states": draw_states,
    "token": draw_token,
}
"""What draws each diagram, by its name."""
