"""The drawing of a workflow's tasks says exactly who depends on whom, and stays narrow where the workflow is simple."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, strategies as st

from cloacina.cli.task_graph import GraphRow, draw_tasks, ordered_ids


@dataclass(frozen=True)
class Task:
    id: str
    dependencies: tuple[str, ...] = ()


def tasks(**needs: str) -> list[Task]:
    return [Task(name, tuple(needed.split())) for name, needed in needs.items()]


def draw(drawn: list[Task], *, is_unicode: bool = True) -> list[GraphRow]:
    rows = draw_tasks(drawn, is_unicode=is_unicode)
    assert rows is not None
    return rows


def lines(rows: list[GraphRow]) -> list[str]:
    return [f"{row.lines} {row.task_id or ''}".rstrip() for row in rows]


DRAWINGS = {
    "chain": (
        tasks(fetch="", validate="fetch", count="validate", report="count"),
        ["● fetch", "● validate", "● count", "● report"],
    ),
    "diamond": (
        tasks(fetch="", validate="fetch", count="fetch", report="validate count"),
        ["●   fetch", "├─● validate", "● │ count", "●─╯ report"],
    ),
    "fan-out": (
        tasks(fetch="", a="fetch", b="fetch", c="fetch"),
        ["●   fetch", "├─● a", "├─● b", "╰─● c"],
    ),
    "fan-in": (
        tasks(a="", b="", c="", join="a b c"),
        ["●     a", "│ ●   b", "│ │ ● c", "●─┴─╯ join"],
    ),
    "shortcut": (
        tasks(a="", b="a", c="a b", d="a c"),
        ["●       a", "├─●     b", "├─┴─●   c", "╰───┴─● d"],
    ),
    "crossing": (
        tasks(a="", b="a", c="a", d="a", e="b d", f="c e"),
        ["●     a", "├─●   b", "├─│─● c", "● │ │ d", "●─╯ │ e", "●───╯ f"],
    ),
    "chain beside a chain": (
        tasks(a="", b="", c="a b", d="a", e="b c"),
        ["●   a", "├─● d", "│", "│ ● b", "●─┤ c", "●─╯ e"],
    ),
    "two chains": (
        tasks(a="", a2="a", b="", b2="b"),
        ["● a", "● a2", "", "● b", "● b2"],
    ),
    "tasks on their own": (
        tasks(a="", b="", c=""),
        ["○ a", "○ b", "○ c"],
    ),
    "one": (tasks(only=""), ["○ only"]),
    "none": ([], []),
}


@pytest.mark.parametrize("shape", DRAWINGS)
def test_drawing(shape: str) -> None:
    given_tasks, expected = DRAWINGS[shape]
    assert lines(draw(given_tasks)) == expected


def test_drawing_in_ascii() -> None:
    drawn = lines(draw(DRAWINGS["diamond"][0], is_unicode=False))
    assert drawn == ["*   fetch", "+-* validate", "* | count", "*-+ report"]


def test_task_that_is_named_twice_as_a_dependency_is_one_line() -> None:
    assert lines(draw([Task("a"), Task("b", ("a", "a"))])) == ["● a", "● b"]


def test_long_chain_is_one_column() -> None:
    chain = [Task(f"t{number}", (f"t{number - 1}",) if number else ()) for number in range(2_000)]
    assert {row.lines for row in draw(chain)} == {"●"}


def test_drawing_is_given_up_where_it_gets_too_wide() -> None:
    fan_in = [*(Task(f"t{number}") for number in range(10)), Task("join", tuple(f"t{each}" for each in range(10)))]
    assert draw_tasks(fan_in, widest=19) is not None
    assert draw_tasks(fan_in, widest=18) is None
    # The order is known all the same, and quickly.
    many = [
        *(Task(f"t{number}") for number in range(20_000)),
        Task("join", tuple(f"t{each}" for each in range(20_000))),
    ]
    assert draw_tasks(many, widest=30) is None
    assert ordered_ids(many)[-1] == "join"


def read(rows: list[GraphRow]) -> dict[str, set[str]]:
    """Read from a drawing, as a person does, who depends on whom."""
    dependencies: dict[str, set[str]] = {}
    columns: dict[int, str] = {}
    for row in rows:
        cells = dict(enumerate(row.lines))
        own = next((at for at, mark in cells.items() if mark in "●○"), None)
        # A line goes on where something is drawn below it; a task with an elbow to its left has nothing above it.
        columns = {
            at: owner
            for at, owner in columns.items()
            if cells.get(at, " ") in "│├╰┴┼┤╯" or (cells.get(at) == "●" and cells.get(at - 1, " ") != "─")
        }
        if own is None or row.task_id is None:
            continue
        found = {columns[own]} if own in columns else set[str]()
        for step in (-1, 1):
            at = own
            while cells.get(at + step, " ") == "─":
                at += 2 * step
                if cells[at] in "├╰┴┼┤╯":
                    found.add(columns[at])
        dependencies[row.task_id] = found
        columns = {at: owner for at, owner in columns.items() if cells[at] not in "╰┴╯"}
        if cells[own] == "●":
            columns[own] = row.task_id
    return dependencies


@st.composite
def workflows(draw: st.DrawFn) -> list[Task]:
    count = draw(st.integers(1, 14))
    drawn = [
        Task(f"t{number}", tuple(draw(st.sets(st.sampled_from([f"t{each}" for each in range(number)]), max_size=4))))
        if number
        else Task("t0")
        for number in range(count)
    ]
    return draw(st.permutations(drawn))


@given(workflows())
def test_drawing_says_who_depends_on_whom(drawn: list[Task]) -> None:
    rows = draw(drawn)
    assert read(rows) == {task.id: set(task.dependencies) for task in drawn}
    assert len({len(row.lines) for row in rows}) == 1


@given(workflows())
def test_tasks_stand_below_what_they_depend_on(drawn: list[Task]) -> None:
    place = {row.task_id: number for number, row in enumerate(draw(drawn))}
    assert [task.id for task in drawn if any(place[each] > place[task.id] for each in task.dependencies)] == []
