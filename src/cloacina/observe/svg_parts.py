"""What a drawing is made of: bars, text whose width is estimated, and the colours."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

_LETTER = 7.0  # units: the mean width of a letter at 13 units, on the wide side for common typefaces
_MARGIN = 6.0

# The root of a document of its own follows the system's scheme; inside of a page, the page decides.
STYLE = (
    ".cl-timeline{--a:var(--cl-slot-active,#0a7285);--at:var(--cl-slot-active-text,#fff);"
    "--d:var(--cl-slot-deferred,#e3b878);--dt:var(--cl-slot-deferred-text,#4b2706);"
    "--r:var(--cl-slot-resuming,#8f4a12);--i:var(--cl-slot-idle,#80909033);--g:var(--cl-slot-grid,#80909066);"
    "font:13px system-ui,sans-serif;font-family:var(--md-text-font-family,system-ui,sans-serif)}"
    "@media(prefers-color-scheme:dark){.cl-timeline:root{--a:#4fb6c4;--at:#06242a;--d:#7a5527;--dt:#fbe6c9;"
    "--r:#e9ad6a;color:#dde7e6;background:#0f1a1e}}"
    ".cl-timeline text{fill:currentColor}.cl-timeline .small{font-size:12px}"
    ".cl-timeline .grid{stroke:var(--g)}"
    ".cl-timeline .idle{fill:var(--i)}.cl-timeline .held{fill:var(--a)}.cl-timeline g>.held+text{fill:var(--at)}"
    ".cl-timeline .waited{fill:var(--d);stroke:var(--r);stroke-dasharray:3 2}"
    ".cl-timeline g>.waited+text{fill:var(--dt);font-size:12px}"
    ".cl-timeline .queued{fill:var(--r)}"
)


@dataclass(frozen=True, slots=True)
class Label:
    """A text, and about how wide it is."""

    text: str
    width: float


def label(text: str) -> Label:
    """Return a text with its estimated width: without a typeface at hand, nobody knows better."""
    return Label(text, len(text) * _LETTER)


def fits(text: str, width: float) -> bool:
    """Return whether a text fits into a bar."""
    return label(text).width + _MARGIN <= width


def clip(text: str, width: float) -> str:
    """Return a text, shortened to a width where it is wider."""
    most = max(int(width / _LETTER), 1)
    return text if len(text) <= most else text[: most - 1] + "…"


def number(value: float) -> str:
    """Return a coordinate with at most one decimal: a tenth of a unit is less than is seen."""
    return f"{value:.1f}".removesuffix(".0")


def bar(kind: str, x: float, y: float, width: float, height: float, told: str = "", text: str = "") -> str:
    """Return a bar.

    Args:
        kind: Its class, which the style gives a colour.
        x: Its left edge.
        y: Its upper edge.
        width: How wide it is. A gap of half a unit is taken off wide ones, so that neighbours stay apart.
        height: How tall it is.
        told: What a pointer that rests on it is told.
        text: What stands in it, in its middle.
    """
    shown = width - 0.5 if width > 2 else width  # noqa: PLR2004 - narrower ones would fade
    radius = f' rx="{number(min(3, height / 2))}"' if width > 6 else ""  # noqa: PLR2004 - no room to be round
    place = f'x="{number(x)}" y="{number(y)}" width="{number(shown)}" height="{number(height)}"'
    shape = f'<rect class="{kind}" {place}{radius}'
    if not told:
        return f"{shape}/>"
    middle = f'x="{number(x + width / 2)}" y="{number(y + height / 2 + 4)}"'
    inside = f'<text {middle} text-anchor="middle">{escape(text)}</text>' if text else ""
    return f"<g><title>{escape(told)}</title>{shape}/>{inside}</g>"
