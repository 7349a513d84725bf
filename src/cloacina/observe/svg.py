"""Draw as SVG who held which slot when, and who waited."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from cloacina.errors import InvalidOption
from cloacina.observe.svg_parts import STYLE, bar, clip, fits, label, number
from cloacina.observe.svg_words import describe, fingerprint, name_drawing, span, tell
from cloacina.observe.timeline import Stretch, StretchKind, read_stretches
from cloacina.observe.timeline_scale import round_ticks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cloacina.store.records import EventRecord

_SMALLEST_WIDTH = 320
_SMALLEST_GUTTER = 80  # so that the axes of drawings with and without waiting tasks begin at the same place
_MOST_WAITERS = 40
"""Rows of waiting tasks that are drawn; a drawing of thousands would be read by nobody."""

_SLOT_ROW, _SLOT_BAR = 30, 24
_WAITER_ROW, _WAITER_BAR, _LINE = 24, 16, 4
_LEGEND_ROW = 22
_SEPARATION = 10
_TICKS_APART = 62
_HAIRLINE = 1.0  # units; what is narrower is drawn so wide, or together with its neighbours
_LEGEND = {
    StretchKind.HELD: "holds a slot",
    StretchKind.WAITED: "waits, holds no slot",
    StretchKind.QUEUED: "queues for a slot",
}


class SvgDrawing(str):
    """An SVG document, as a string that a notebook shows as the drawing it is."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)


def render_svg(
    events: Iterable[EventRecord], *, title: str | None = None, width: int = 540, seconds: float | None = None
) -> SvgDrawing:
    """Draw an execution as SVG: a row for each slot, a row for each task that waited, and a legend.

    In a slot's row stand the tasks that held it, each for as long as it did. In the row of a task that waited, the line
    is where it held a slot, the dashed bar where it waited, and the narrow solid one where it queued for a slot to go
    on with.

    The drawing is one self-contained element: it loads nothing, carries a text alternative, and is the same for the
    same events. Inside of a page it takes the page's colour for text, and for the rest these CSS variables where they
    are set: `--cl-slot-active`, `--cl-slot-active-text`, `--cl-slot-deferred`, `--cl-slot-deferred-text`,
    `--cl-slot-resuming`, `--cl-slot-idle` and `--cl-slot-grid`. As a file of its own it follows the scheme of the
    system, light or dark.

    Args:
        events: The events of one execution, as `runner.events(execution_id)` returns them.
        title: What the drawing shows, for those who don't see it; by default the slots and the time that it shows.
        width: The width in units of the drawing, at least 320. It is scaled to the room it is given.
        seconds: How many seconds the axis shows at least, so that two drawings can be compared.

    Returns:
        The document, as a string. A notebook shows it as a drawing.

    Raises:
        InvalidOption: The width is below 320, or `seconds` is no finite positive number.

    Example:
        ```python
        from pathlib import Path

        from cloacina import Context, Runner, Workflow, task
        from cloacina.observe import render_svg

        @task
        def add(context: Context) -> None:
            context["total"] = sum(range(1000))

        with Runner("sqlite://") as runner:
            result = runner.execute(Workflow("addition", tasks=[add]))
            drawing = render_svg(runner.events(result.id))
        Path("addition.svg").write_text(drawing)
        print(drawing[:4])
        #> <svg
        ```
    """
    if width < _SMALLEST_WIDTH:
        raise InvalidOption(f"A drawing needs a width of {_SMALLEST_WIDTH} or more, but width={width} was given.")
    if seconds is not None and not 0 < seconds < float("inf"):
        raise InvalidOption(f"The axis needs a finite number of seconds above 0, but seconds={seconds!r} was given.")
    stretches = read_stretches(events)
    drawing = _Drawing(stretches, width, seconds)
    body = [*drawing.parts()]
    name = title if title is not None else name_drawing(stretches)
    description = describe(stretches)
    mark = fingerprint(name, *body)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cl-timeline" viewBox="0 0 {width} {number(drawing.height)}" '
        f'role="img" aria-labelledby="cl-{mark}-title" aria-describedby="cl-{mark}-desc">'
    )
    texts = [
        f'<title id="cl-{mark}-title">{escape(name)}</title>',
        f'<desc id="cl-{mark}-desc">{escape(description)}</desc>',
        f"<style>{STYLE}</style>",
    ]
    return SvgDrawing("\n".join([head, *texts, *body, "</svg>"]) + "\n")


class _Drawing:
    """The layout: where each row lies, and how seconds become units."""

    def __init__(self, stretches: Sequence[Stretch], width: int, seconds: float | None) -> None:
        self._stretches = stretches
        self._slots = sorted({stretch.slot for stretch in stretches if stretch.slot is not None})
        waited = {stretch.task_id for stretch in stretches if stretch.kind is not StretchKind.HELD}
        waiters = [task for task in dict.fromkeys(stretch.task_id for stretch in stretches) if task in waited]
        self._waiters, self._left_out = waiters[:_MOST_WAITERS], len(waiters[_MOST_WAITERS:])
        labels = [f"slot {slot}" for slot in self._slots] + self._waiters
        widest = max((label(text).width for text in labels), default=0)
        self._left = min(max(widest + 10, _SMALLEST_GUTTER), width / 3)
        self._width = width
        self._right = width - 8
        self._seconds = max(seconds or 0, max((stretch.end for stretch in stretches), default=0), 1e-6)
        self._waiters_top = len(self._slots) * _SLOT_ROW + (_SEPARATION if self._waiters else 0)
        self._axis_top = self._waiters_top + len(self._waiters) * _WAITER_ROW + 4
        self.height = self._axis_top + 30 + _LEGEND_ROW * len(self._legend_rows()) if stretches else _SLOT_ROW

    def parts(self) -> Iterator[str]:
        """Yield the elements, those behind first."""
        if not self._stretches:
            yield '<text x="0" y="20">No task has started.</text>'
            return
        yield from self._grid()
        for row, slot in enumerate(self._slots):
            yield from self._slot_row(slot, row * _SLOT_ROW)
        for row, task in enumerate(self._waiters):
            yield from self._waiter_row(task, self._waiters_top + row * _WAITER_ROW)
        yield from self._legend()

    def _x(self, seconds: float) -> float:
        return self._left + (self._right - self._left) * seconds / self._seconds

    def _grid(self) -> Iterator[str]:
        ticks = round_ticks(self._seconds, int((self._right - self._left) / _TICKS_APART))
        lines = "".join(f"M{number(self._x(tick))} 0V{number(self._axis_top)}" for tick in ticks)
        yield f'<path class="grid" d="{lines}"/>'
        y = number(self._axis_top + 16)
        for tick in ticks:
            text = label(f"{tick:.6g} s")
            if self._x(tick) + text.width <= self._width:
                yield f'<text class="small" x="{number(self._x(tick))}" y="{y}">{text.text}</text>'

    def _slot_row(self, slot: int, top: float) -> Iterator[str]:
        middle = top + _SLOT_ROW / 2
        yield f'<text x="0" y="{number(middle + 4)}">slot {slot}</text>'
        yield bar("idle", self._left, middle - _SLOT_BAR / 2, self._right - self._left, _SLOT_BAR)
        own = [stretch for stretch in self._stretches if stretch.slot == slot]
        for group in self._groups(own):
            left, right = self._x(group[0].start), self._x(group[-1].end)
            width = max(right - left, _HAIRLINE)
            told = tell(group[0]) if len(group) == 1 else f"{len(group)} tasks, one after the other, {span(group)}"
            tasks = {stretch.task_id for stretch in group}
            name = group[0].task_id if len(tasks) == 1 and fits(group[0].task_id, width) else ""
            yield bar("held", left, middle - _SLOT_BAR / 2, width, _SLOT_BAR, told, name)

    def _groups(self, stretches: Sequence[Stretch]) -> list[list[Stretch]]:
        """Return the stretches of a slot, those together that are too short to be drawn apart."""
        groups = [stretches[:1]]
        for before, stretch in pairwise(stretches):
            narrow = all(self._x(one.end) - self._x(one.start) < _HAIRLINE for one in (before, stretch))
            if narrow and self._x(stretch.start) - self._x(before.end) < _HAIRLINE:
                groups[-1] = [*groups[-1], stretch]
            else:
                groups.append([stretch])
        return [list(group) for group in groups]

    def _waiter_row(self, task: str, top: float) -> Iterator[str]:
        middle = top + _WAITER_ROW / 2
        yield f'<text x="0" y="{number(middle + 4)}">{escape(clip(task, self._left - 10))}</text>'
        height = {StretchKind.HELD: _LINE, StretchKind.WAITED: _WAITER_BAR, StretchKind.QUEUED: _WAITER_BAR / 2}
        for stretch in self._stretches:
            if stretch.task_id == task:
                left = self._x(stretch.start)
                width = max(self._x(stretch.end) - left, _HAIRLINE)
                duration = f"{stretch.seconds:.2f} s"
                text = duration if stretch.kind is StretchKind.WAITED and fits(duration, width) else ""
                tall = height[stretch.kind]
                yield bar(stretch.kind.value, left, middle - tall / 2, width, tall, tell(stretch), text)

    def _legend_rows(self) -> list[list[tuple[StretchKind, float]]]:
        """Return the kinds that occur with where each stands, in as few rows as they fit in."""
        present = {stretch.kind for stretch in self._stretches}
        rows: list[list[tuple[StretchKind, float]]] = [[]]
        x = 0.0
        for kind, text in _LEGEND.items():
            if kind not in present:
                continue
            room = 30 + label(text).width + 18
            if rows[-1] and x + room - 18 > self._width:
                rows.append([])
                x = 0.0
            rows[-1].append((kind, x))
            x += room
        return rows

    def _legend(self) -> Iterator[str]:
        y = self._axis_top + 30
        for row in self._legend_rows():
            for kind, x in row:
                tall = _WAITER_BAR / 2 if kind is StretchKind.QUEUED else _WAITER_BAR - 4
                yield bar(kind.value, x, y + _LEGEND_ROW / 2 - tall / 2, 22, tall)
                yield f'<text class="small" x="{number(x + 29)}" y="{number(y + 15)}">{_LEGEND[kind]}</text>'
            y += _LEGEND_ROW
        if self._left_out:
            text = f"{self._left_out} more tasks waited"
            x = self._right - label(text).width
            yield f'<text class="small" x="{number(x)}" y="{number(self._axis_top + 30)}">{text}</text>'
