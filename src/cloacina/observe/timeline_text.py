"""Draw as text who held which slot when, and who waited."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import cycle
from string import ascii_letters, digits
from typing import TYPE_CHECKING

from cloacina.errors import InvalidOption
from cloacina.observe.timeline import Stretch, StretchKind, read_stretches
from cloacina.observe.timeline_scale import round_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cloacina.store.records import EventRecord

_IDLE, _WAITING, _QUEUEING = ".", "-", "="
_SMALLEST_WIDTH = 40
_SHORT = 0.0995  # seconds; below, milliseconds say more
_WAITED_WIDTH = len(" waited 99.99 s")


def render_timeline(events: Iterable[EventRecord], *, width: int = 100) -> str:
    """Draw an execution as text: a row for each slot, a row for each task that waited, and a legend.

    Each task has a letter. In a slot's row it stands where the task held the slot longest; `.` is an idle slot. In a
    waiting task's row `-` means that it waited and `=` that it queued for a slot; it holds none in either case.

    Args:
        events: The events of one execution, as `runner.events(execution_id)` returns them.
        width: The columns that a line may take, at least 40.

    Returns:
        The drawing, without a newline at its end.

    Raises:
        InvalidOption: The width is below 40.

    Example:
        ```python
        from cloacina import Context, Runner, Workflow, task
        from cloacina.observe import render_timeline

        @task
        def add(context: Context) -> None:
            context["total"] = sum(range(1000))

        with Runner("sqlite://") as runner:
            result = runner.execute(Workflow("addition", tasks=[add]))
            drawing = render_timeline(runner.events(result.id))
        print(drawing.splitlines()[1][:6])
        #> slot 0
        ```
    """
    if width < _SMALLEST_WIDTH:
        raise InvalidOption(f"A timeline needs {_SMALLEST_WIDTH} columns or more, but width={width} was given.")
    stretches = read_stretches(events)
    if not stretches:
        return "No task has started."
    tasks = list(dict.fromkeys(stretch.task_id for stretch in stretches))
    letters = dict(zip(tasks, cycle(ascii_letters + digits), strict=False))
    waiters = [task for task in tasks if any(s.task_id == task and s.kind is not StretchKind.HELD for s in stretches)]
    slots = sorted({stretch.slot for stretch in stretches if stretch.slot is not None})

    labels = [f"slot {slot}" for slot in slots] + [f"{letters[task]} {task}" for task in waiters]
    gutter = min(max(len(label) for label in labels), width // 3)
    chart = _Chart(max(stretch.end for stretch in stretches), width - gutter - 2 - _WAITED_WIDTH)

    lines = [f"{'':{gutter}}  {chart.axis()}"]
    lines += [f"{f'slot {slot}':{gutter}}  {row}" for slot, row in _slot_rows(chart, stretches, slots, letters).items()]
    if waiters:
        lines.append("")
    for task in waiters:
        own = [stretch for stretch in stretches if stretch.task_id == task]
        marks = {StretchKind.HELD: letters[task], StretchKind.WAITED: _WAITING, StretchKind.QUEUED: _QUEUEING}
        cells = chart.row([(stretch, marks[stretch.kind]) for stretch in own], " ")
        for stretch in own:
            if stretch.kind is StretchKind.HELD:
                chart.squeeze_in(stretch, letters[task], cells)
        waited = sum(stretch.seconds for stretch in own if stretch.kind is not StretchKind.HELD)
        lines.append(f"{_clip(f'{letters[task]} {task}', gutter):{gutter}}  {''.join(cells)} waited {_seconds(waited)}")
    lines += ["", f"letter: holds a slot   {_IDLE} idle slot"]
    lines[-1] += f"   {_WAITING} waits   {_QUEUEING} queues for a slot" if waiters else ""
    lines += ["", "time in slots", *_legend(stretches, letters, width)]
    return "\n".join(line.rstrip() for line in lines)


class _Chart:
    """The scale of a drawing: so many seconds on so many columns."""

    def __init__(self, seconds: float, columns: int) -> None:
        self._columns = max(columns, 8)
        self._step = max(seconds, 1e-6) / self._columns

    def axis(self) -> str:
        """Return the line of times: a label at every round number of seconds that leaves room for the next."""
        tick = round_step(10 * self._step)
        cells = [" "] * self._columns
        for index in range(int(self._columns * self._step / tick) + 1):
            label = f"|{index * tick:.6g} s"
            column = round(index * tick / self._step)
            if column + len(label) <= self._columns:
                cells[column : column + len(label)] = label
        return "".join(cells)

    def row(self, marked: Sequence[tuple[Stretch, str]], empty: str) -> list[str]:
        """Return a row of characters; each is the mark that has the largest share of its time."""
        shares: list[dict[str, float]] = [defaultdict(float) for _ in range(self._columns)]
        for stretch, mark in marked:
            for column in range(self._column(stretch.start), self._column(stretch.end) + 1):
                begin = column * self._step
                share = min(stretch.end, begin + self._step) - max(stretch.start, begin)
                shares[column][mark] += max(share, 0)
        # What is empty for more than half of a character's time is drawn empty.
        return [max(s, key=lambda mark: s[mark]) if sum(s.values()) * 2 > self._step else empty for s in shares]

    def squeeze_in(self, stretch: Stretch, mark: str, row: list[str]) -> bool:
        """Show the mark of a stretch too short for a character, unless another mark would lose its only one."""
        column = self._column(stretch.start)
        if row[column] not in {mark, _IDLE, " "} and row.count(row[column]) == 1:
            return False
        row[column] = mark
        return True

    def _column(self, seconds: float) -> int:
        return min(int(seconds / self._step), self._columns - 1)


def _slot_rows(
    chart: _Chart, stretches: Sequence[Stretch], slots: Sequence[int], letters: Mapping[str, str]
) -> dict[int, str]:
    """Return the rows of the slots; a task too short for a character gets one if no other loses its only one."""
    rows = {slot: chart.row([(s, letters[s.task_id]) for s in stretches if s.slot == slot], _IDLE) for slot in slots}
    seen = {letter for row in rows.values() for letter in row}
    for stretch in stretches:
        letter = letters[stretch.task_id]
        if stretch.slot is not None and letter not in seen and chart.squeeze_in(stretch, letter, rows[stretch.slot]):
            seen.add(letter)
    return {slot: "".join(row) for slot, row in rows.items()}


def _legend(stretches: Sequence[Stretch], letters: Mapping[str, str], width: int) -> list[str]:
    """Return each task's letter and time in slots, in as many columns as fit, read from top to bottom."""
    held = dict.fromkeys(letters, 0.0)
    for stretch in stretches:
        held[stretch.task_id] += stretch.seconds if stretch.kind is StretchKind.HELD else 0
    value_width = max(len(_seconds(seconds)) for seconds in held.values())
    name_width = min(max(len(task) for task in letters), width - value_width - 3)
    count = max(1, (width + 3) // (2 + name_width + 1 + value_width + 3))
    height = math.ceil(len(letters) / count)
    texts = [
        f"{letter} {_clip(task, name_width):{name_width}} {_seconds(held[task]):>{value_width}}"
        for task, letter in letters.items()
    ]
    return ["   ".join(texts[row::height]) for row in range(height)]


def _clip(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= _SHORT else f"{seconds * 1000:.0f} ms"
