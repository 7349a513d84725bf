"""The drawing of a timeline shows what the events tell, to everybody, and needs nothing but itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from cloacina.errors import InvalidOption
from cloacina.observe import SvgDrawing, render_svg
from cloacina.store.records import EventRecord, EventType

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"


def events(*told: tuple[float, str, EventType, int | None]) -> list[EventRecord]:
    return [
        EventRecord("x", number, task, task, kind, BEGIN + timedelta(seconds=at), 1, slot, None)
        for number, (at, task, kind, slot) in enumerate(told, 1)
    ]


WAITER_AND_WORKER = events(
    (0, "waiter", EventType.TASK_STARTED, 0),
    (1, "waiter", EventType.TASK_DEFERRED, 0),
    (1, "worker", EventType.TASK_STARTED, 0),
    (5, "waiter", EventType.TASK_RESUMING, None),
    (8, "worker", EventType.TASK_COMPLETED, 0),
    (8, "waiter", EventType.TASK_RESUMED, 0),
    (10, "waiter", EventType.TASK_COMPLETED, 0),
)


def bars(drawing: str, kind: str) -> list[tuple[str, float, float]]:
    """Return what each bar of a kind tells, where it begins, and how wide it is; the legend's tell nothing."""
    found: list[tuple[str, float, float]] = []
    for group in ET.fromstring(drawing).iter(f"{SVG}g"):
        told, shape = group.findtext(f"{SVG}title", ""), group.find(f"{SVG}rect")
        assert shape is not None
        if shape.get("class") == kind:
            found.append((told, float(shape.get("x", "")), float(shape.get("width", ""))))
    return found


def texts(drawing: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(drawing).iter(f"{SVG}text")]


def test_bars_tell_who_held_the_slot_waited_and_queued() -> None:
    drawing = render_svg(WAITER_AND_WORKER)
    assert [told for told, _, _ in bars(drawing, "held")] == [
        "waiter held slot 0 from 0.00 s to 1.00 s",
        "worker held slot 0 from 1.00 s to 8.00 s",
        "waiter held slot 0 from 8.00 s to 10.00 s",
        # In the row of the task that waited once more.
        "waiter held slot 0 from 0.00 s to 1.00 s",
        "waiter held slot 0 from 8.00 s to 10.00 s",
    ]
    assert [told for told, _, _ in bars(drawing, "waited")] == ["waiter waited without a slot from 1.00 s to 5.00 s"]
    assert [told for told, _, _ in bars(drawing, "queued")] == ["waiter queued for a slot from 5.00 s to 8.00 s"]


def test_bars_are_as_wide_as_their_time() -> None:
    drawing = render_svg(WAITER_AND_WORKER, width=800)
    ((_, waited_at, waited),) = bars(drawing, "waited")
    ((_, queued_at, queued),) = bars(drawing, "queued")
    assert waited / queued == pytest.approx(4 / 3, rel=0.01)
    assert waited_at + waited == pytest.approx(queued_at, abs=1)


def test_drawing_has_a_text_alternative_that_tells_the_story() -> None:
    root = ET.fromstring(render_svg(WAITER_AND_WORKER))
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert description is not None
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == title.get("id")
    assert root.get("aria-describedby") == description.get("id")
    assert title.text == "Timeline of 1 slot over 10.00 s"
    assert "waiter waited without a slot from 1.00 s to 5.00 s. waiter queued" in (description.text or "").replace(
        "worker held slot 0 from 1.00 s to 8.00 s. ", ""
    )


def test_title_can_be_given() -> None:
    title = ET.fromstring(render_svg(WAITER_AND_WORKER, title="Jobs & <waits>")).find(f"{SVG}title")
    assert title is not None
    assert title.text == "Jobs & <waits>"


def test_same_events_give_the_same_drawing() -> None:
    assert render_svg(WAITER_AND_WORKER) == render_svg(WAITER_AND_WORKER)


def test_ids_of_different_drawings_on_one_page_differ() -> None:
    ids = [
        set(re.findall(r'\bid="([^"]+)"', drawing))
        for drawing in (render_svg(WAITER_AND_WORKER), render_svg(WAITER_AND_WORKER[:3]), render_svg([]))
    ]
    assert len(set.union(*ids)) == sum(map(len, ids)) == 6


def test_drawing_loads_nothing() -> None:
    drawing = render_svg(WAITER_AND_WORKER).replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"://|href|url\(|@import|<script|<image|<use", drawing)


def test_style_touches_nothing_but_the_drawing() -> None:
    style = ET.fromstring(render_svg(WAITER_AND_WORKER)).findtext(f"{SVG}style", "")
    selectors = re.findall(r"([^{}]+)\{", re.sub(r"@media\([^{]*\{", "", style))
    assert selectors
    assert all(selector.startswith(".cl-timeline") for selector in selectors)


def test_kinds_differ_in_more_than_colour() -> None:
    drawing = render_svg(WAITER_AND_WORKER)
    assert ".waited{" in drawing
    assert "stroke-dasharray" in drawing.split(".waited{")[1].split("}")[0]
    heights = {
        shape.get("class"): shape.get("height")
        for group in ET.fromstring(drawing).iter(f"{SVG}g")
        for shape in group.iter(f"{SVG}rect")
    }
    assert len({heights["held"], heights["waited"], heights["queued"]}) == 3


def test_legend_explains_the_kinds_that_occur_and_no_others() -> None:
    legend = {"holds a slot", "waits, holds no slot", "queues for a slot"}
    assert legend <= set(texts(render_svg(WAITER_AND_WORKER)))
    assert legend & set(texts(render_svg(WAITER_AND_WORKER[2:3]))) == {"holds a slot"}


def test_name_stands_in_its_bar_only_where_it_fits() -> None:
    told = events(
        (0, "a_rather_long_name_for_a_task", EventType.TASK_STARTED, 0),
        (1, "a_rather_long_name_for_a_task", EventType.TASK_COMPLETED, 0),
        (1, "long", EventType.TASK_STARTED, 0),
        (9, "long", EventType.TASK_COMPLETED, 0),
    )
    assert "long" in texts(render_svg(told))
    assert "a_rather_long_name_for_a_task" not in texts(render_svg(told))


def test_axes_of_two_drawings_can_be_made_the_same() -> None:
    shorter = render_svg(WAITER_AND_WORKER[:4], seconds=10)
    assert bars(shorter, "waited")[0][1:] == bars(render_svg(WAITER_AND_WORKER), "waited")[0][1:]


@pytest.mark.parametrize("seconds", [0.7, 1, 1.05, 3.3, 12, 100, 86_400])
def test_times_on_the_axis_stand_apart_and_inside(seconds: float) -> None:
    root = ET.fromstring(render_svg(WAITER_AND_WORKER[:1], seconds=seconds))
    times = [element for element in root.iter(f"{SVG}text") if (element.text or "").endswith(" s")]
    places = [(float(element.get("x", "")), 7.0 * len(element.text or "")) for element in times]
    assert len(places) >= 2
    assert all(left + width <= right for (left, width), (right, _) in pairwise(places))
    assert sum(places[-1]) <= float(root.get("viewBox", "").split()[2])


def test_names_are_escaped() -> None:
    told = events((0, "a<b>&'\"", EventType.TASK_STARTED, 0), (1, "a<b>&'\"", EventType.TASK_COMPLETED, 0))
    assert "a<b>&'\"" in texts(render_svg(told))


def test_ten_thousand_tasks_stay_a_small_drawing() -> None:
    told: list[tuple[float, str, EventType, int | None]] = []
    for index in range(10_000):
        name = f"task_{index}"
        told += [(index * 0.01, name, EventType.TASK_STARTED, 0), (index * 0.01, name, EventType.TASK_DEFERRED, 0)]
        told += [(100 + index * 0.01, name, EventType.TASK_RESUMED, 0)]
        told += [(100 + index * 0.01 + 0.01, name, EventType.TASK_COMPLETED, 0)]
    drawing = render_svg(events(*told))
    assert len(drawing) < 100_000
    assert "9960 more tasks waited" in texts(drawing)
    assert "29976 more stretches follow" in drawing


def test_nothing_leaves_the_drawing() -> None:
    told: list[tuple[float, str, EventType, int | None]] = []
    for index in range(9):
        name = f"a_task_with_a_rather_long_name_{index}"
        told += [(index, name, EventType.TASK_STARTED, index % 3), (index + 0.5, name, EventType.TASK_DEFERRED, None)]
        told += [(index + 3, name, EventType.TASK_RESUMED, 0), (index + 3.1, name, EventType.TASK_COMPLETED, 0)]
    root = ET.fromstring(render_svg(events(*told), width=320))
    _, _, width, height = map(float, root.get("viewBox", "").split())
    for shape in root.iter(f"{SVG}rect"):
        assert float(shape.get("x", "")) + float(shape.get("width", "")) <= width
        assert float(shape.get("y", "")) + float(shape.get("height", "")) <= height


def test_execution_in_which_nothing_has_started() -> None:
    assert "No task has started." in texts(render_svg([]))


def test_notebook_shows_the_drawing() -> None:
    drawing = render_svg(WAITER_AND_WORKER)
    assert isinstance(drawing, SvgDrawing)
    assert drawing._repr_svg_() == drawing


@pytest.mark.parametrize("width", [0, 319])
def test_width_that_holds_nothing_is_refused(width: int) -> None:
    with pytest.raises(InvalidOption, match=f"width={width}"):
        render_svg(WAITER_AND_WORKER, width=width)


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_axis_of_no_length_is_refused(seconds: float) -> None:
    with pytest.raises(InvalidOption, match="seconds="):
        render_svg(WAITER_AND_WORKER, seconds=seconds)
