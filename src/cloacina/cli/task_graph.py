"""Draw the tasks of a workflow as text: a row for each, and lines from each task to those that depend on it.

A task's line goes down from its row to the row of the last task that depends on it. It ends there either above that
task, which then takes its column, or beside it, with an elbow:

    ●    fetch        a task without dependencies
    ├─●  validate     depends on fetch, whose line goes on
    ● │  count        depends on fetch, whose line ends here
    ●─╯  report       depends on count, above, and on validate

So a task with an elbow to its left has nothing above it, and where lines cross without a connection there is a gap. A
task that has nothing to do with any other is a circle: ○.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ASCII: Final = str.maketrans({"●": "*", "○": "o", "│": "|", "─": "-", **dict.fromkeys("├╰┴┼┤╯", "+")})


class GraphTask(Protocol):
    """What is drawn: an id, and the ids of the tasks that have to be completed before."""

    @property
    def id(self) -> str: ...  # noqa: D102 - said above
    @property
    def dependencies(self) -> Sequence[str]: ...  # noqa: D102 - said above


@dataclass(frozen=True, slots=True)
class GraphRow:
    """A row of the drawing.

    Attributes:
        task_id: The task of the row; None in an empty row between tasks that have nothing to do with each other.
        lines: What is drawn before the task, padded to the same width in every row.
    """

    task_id: str | None
    lines: str


def draw_tasks(
    tasks: Sequence[GraphTask], *, is_unicode: bool = True, widest: int | None = None
) -> list[GraphRow] | None:
    """Return the rows of the drawing, each task below all of its dependencies.

    Args:
        tasks: The tasks, without a cycle.
        is_unicode: Whether lines may be drawn with characters outside of ASCII.
        widest: How many columns the lines may take; any number if it is None.

    Returns:
        The rows, or None where the lines would take more columns.
    """
    needs = _needs(tasks)
    drawing = _Drawing(needs)
    rows: list[GraphRow] = []
    for task_id in _order(needs):
        rows += drawing.rows_of(task_id)
        if widest is not None and len(rows[-1].lines) > widest:
            return None
    width = max((len(row.lines) for row in rows), default=0)
    return [
        GraphRow(row.task_id, f"{row.lines if is_unicode else row.lines.translate(_ASCII):{width}}") for row in rows
    ]


def ordered_ids(tasks: Sequence[GraphTask]) -> list[str]:
    """Return the ids of tasks in the order in which they are drawn."""
    return _order(_needs(tasks))


def _needs(tasks: Sequence[GraphTask]) -> dict[str, tuple[str, ...]]:
    return {task.id: tuple(dict.fromkeys(task.dependencies)) for task in tasks}


def _order(needs: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the tasks in a topological order that keeps chains together: next comes what the latest one let begin."""
    place = {task: index for index, task in enumerate(needs)}
    dependents = _dependents(needs)
    missing = {task: len(dependencies) for task, dependencies in needs.items()}
    ready = [(0, place[task], task) for task, count in missing.items() if not count]
    heapq.heapify(ready)
    order: list[str] = []
    while ready:
        _, _, task = heapq.heappop(ready)
        order.append(task)
        for dependent in dependents[task]:
            missing[dependent] -= 1
            if not missing[dependent]:
                heapq.heappush(ready, (-len(order), place[dependent], dependent))
    return order


def _dependents(needs: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    dependents: dict[str, list[str]] = {task: [] for task in needs}
    for task, dependencies in needs.items():
        for dependency in dependencies:
            dependents[dependency].append(task)
    return dependents


class _Drawing:
    """The columns in which lines go down, and from which task; rows are made from top to bottom."""

    def __init__(self, needs: Mapping[str, Sequence[str]]) -> None:
        self._needs = needs
        self._dependents = _dependents(needs)
        self._open = {task: len(dependents) for task, dependents in self._dependents.items()}
        self._lines: dict[int, str] = {}
        self._columns: dict[str, int] = {}
        self._above: int | None = None  # the column of the task in the row above, if it is not alone

    def rows_of(self, task: str) -> list[GraphRow]:
        """Return the task's row, below an empty one if it would stand below a task that it has nothing to do with."""
        needed = sorted(self._columns[need] for need in self._needs[task])
        for column in needed:
            self._open[self._lines[column]] -= 1
        own = self._own_column(task, needed)
        is_alone = not needed and not self._dependents[task]
        rows = [GraphRow(task, self._row(own, needed, "○" if is_alone else "●"))]
        if not needed and not is_alone and self._above == own:
            rows.insert(0, GraphRow(None, self._row(None, [])))
        for column in needed:
            if not self._open[self._lines[column]]:
                del self._lines[column]
        if self._dependents[task]:
            self._lines[own] = task
            self._columns[task] = own
        self._above = None if is_alone else own
        return rows

    def _own_column(self, task: str, needed: Sequence[int]) -> int:
        if needed:
            first = self._lines[needed[0]]
            is_chain = len(self._dependents[first]) == 1 or bool(self._dependents[task])
            if not self._open[first] and is_chain:
                return needed[0]
        column = needed[-1] + 1 if needed else 0
        while column in self._lines:
            column += 1
        return column

    def _row(self, own: int | None, needed: Sequence[int], task_mark: str = "") -> str:
        ends = [*needed] if own is None else [own, *needed]
        first, last = min(ends, default=0), max(ends, default=0)
        cells: list[str] = []
        for column in range(max([last, *self._lines]) + 1):
            if column == own:
                mark = task_mark
            elif column in needed:
                mark = _connection(goes_on=bool(self._open[self._lines[column]]), at=(column == first, column == last))
            else:
                mark = "│" if column in self._lines else "─" if first < column < last else " "
            cells.append(mark + ("─" if first <= column < last else " "))
        return "".join(cells).rstrip()


def _connection(*, goes_on: bool, at: tuple[bool, bool]) -> str:
    """Return where a line meets the row of a task that needs it, at the row's left end, right end or between."""
    is_left_end, is_right_end = at
    if is_left_end:
        return "├" if goes_on else "╰"
    if is_right_end:
        return "┤" if goes_on else "╯"
    return "┼" if goes_on else "┴"
