"""What the diagrams are made of: boxes, arrows, text, and the words for those who don't see them.

What they look like is in `theme/assets/stylesheets/diagrams.css`, once for all that a page shows.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCALE = 1.15
"""How much larger than its own units a drawing is shown where there is room: its text is then that of the page."""

_HEAD = 7.0
_LINE = 17.0
_CORNER = 4


class Drawing:
    """A diagram, filled from the back to the front.

    Args:
        width: In units; a text of a letter is about seven wide.
        height: In units.
        title: What it shows, in a line.
        description: What it shows, for those who don't see it: all that the picture says.
    """

    def __init__(self, width: int, height: int, *, title: str, description: str) -> None:
        self._width = width
        self._height = height
        self._title = title
        self._description = description
        self._parts: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, kind: str = "plain", text: str = "") -> None:
        """Add a box, with a text of one or more lines in its middle.

        Args:
            x: Its left edge.
            y: Its upper edge.
            width: How wide it is.
            height: How tall it is.
            kind: Its class: `plain`, `idle`, or what a slot is doing: `active`, `deferred`, `resuming`.
            text: What stands in it; a line break begins a new line.
        """
        place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{min(_CORNER, width / 2):g}"'
        self._parts.append(f'<rect class="{kind}" {place}/>')
        if text:
            self._lines(x + width / 2, y + height / 2, text)

    def boxes(self, places: Iterable[tuple[float, float]], side: float, kind: str) -> None:
        """Add many small boxes, as one element.

        Args:
            places: The left upper corner of each.
            side: How wide and how tall they are.
            kind: As for `box`.
        """
        squares = "".join(f"M{x:g} {y:g}h{side:g}v{side:g}h-{side:g}z" for x, y in places)
        self._parts.append(f'<path class="{kind}" d="{squares}"/>')

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", kind: str = "") -> None:
        """Add a line of text.

        Args:
            x: Where it begins, ends or has its middle, as `anchor` says.
            y: Its base line.
            text: The text.
            anchor: `start`, `middle` or `end`.
            kind: Its classes: `soft`, `code`, and `over` for text in a box.
        """
        where = f' text-anchor="{anchor}"' if anchor != "start" else ""
        style = f' class="{kind}"' if kind else ""
        self._parts.append(f'<text{style} x="{x:g}" y="{y:g}"{where}>{escape(text)}</text>')

    def line(self, *points: tuple[float, float], kind: str = "") -> None:
        """Add a line through points.

        Args:
            points: At least two.
            kind: Its classes: `faint`, `later`.
        """
        path = "M" + "L".join(f"{x:g} {y:g}" for x, y in points)
        style = f' class="{kind}"' if kind else ""
        self._parts.append(f'<path{style} d="{path}"/>')

    def arrow(self, *points: tuple[float, float], kind: str = "") -> None:
        """Add a line through points with a head at its end.

        Args:
            points: At least two; the last stretch is straight up, down, left or right.
            kind: As for `line`.
        """
        self.line(*points, kind=kind)
        (from_x, from_y), (x, y) = list(pairwise(points))[-1]
        if x != from_x:
            back = x - _HEAD if x > from_x else x + _HEAD
            corners = f"{x:g} {y:g}L{back:g} {y - _HEAD / 2:g}V{y + _HEAD / 2:g}"
        else:
            back = y - _HEAD if y > from_y else y + _HEAD
            corners = f"{x:g} {y:g}L{x - _HEAD / 2:g} {back:g}H{x + _HEAD / 2:g}"
        self._parts.append(f'<path class="head" d="M{corners}z"/>')

    def begin_group(self, kind: str) -> None:
        """Put what follows into a group with a class, until `end_group`."""
        self._parts.append(f'<g class="{kind}">')

    def end_group(self) -> None:
        """End the group that was begun last."""
        self._parts.append("</g>")

    def svg(self) -> str:
        """Return the drawing as one element, without an empty line, which Markdown would take for its end."""
        mark = sha256("".join([self._title, *self._parts]).encode()).hexdigest()[:8]
        head = (
            f'<svg class="cl-diagram" viewBox="0 0 {self._width} {self._height}" '
            f'style="width:{self._width * _SCALE:.0f}px" role="img" aria-describedby="cl-{mark}">'
        )
        return "\n".join(
            [
                head,
                f"<title>{escape(self._title)}</title>",
                f'<desc id="cl-{mark}">{escape(self._description)}</desc>',
                *self._parts,
                "</svg>",
            ]
        )

    def _lines(self, x: float, middle: float, text: str) -> None:
        lines = text.split("\n")
        first = middle + 5 - _LINE * (len(lines) - 1) / 2
        if len(lines) == 1:
            self._parts.append(f'<text class="in" x="{x:g}" y="{first:g}">{escape(text)}</text>')
            return
        # One element, because the style of a box colours the text that follows it.
        spans = "".join(
            f'<tspan x="{x:g}" y="{first + _LINE * at:g}">{escape(one)}</tspan>' for at, one in enumerate(lines)
        )
        self._parts.append(f'<text class="in">{spans}</text>')
