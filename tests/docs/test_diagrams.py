"""The diagrams can be read by everybody, and the figures on pages are those that were measured."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from docsite.diagrams import DIAGRAMS
from docsite.diagrams.ranges import Group, Range, draw_ranges
from docsite.generated import benchmarks

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Callable[[list[dict[str, Any]]], None]]:
    """Return a function that puts rows in the place of the recorded results."""

    def write(rows: list[dict[str, Any]]) -> None:
        file = tmp_path / "recorded.json"
        machine = {"cores": 3, "load_average": 0.25, "system": "Linux", "architecture": "riscv64"}
        machine |= {"python": "CPython 3.12.1", "sqlite": "3.45.0", "libraries": {"anyio": "4.9.0"}}
        file.write_text(json.dumps({"machine": machine, "rows": rows}))
        monkeypatch.setattr(benchmarks, "RESULTS", file)
        benchmarks._document.cache_clear()

    yield write
    benchmarks._document.cache_clear()


def row(measurement: str, figure: str, unit: str, median: float, text: str = "100 tasks") -> dict[str, Any]:
    found = {"median": median, "minimum": median / 2, "maximum": median * 2}
    values = {"asyncio": found, "trio": {**found, "median": median * 1.5}}
    return {
        "measurement": measurement,
        "figure": figure,
        "unit": unit,
        "text": text,
        "values": values,
        "floor": None,
        "target": None,
        "met": None,
    }


@pytest.mark.parametrize("name", DIAGRAMS)
def test_diagram_says_in_words_what_it_shows(name: str) -> None:
    drawing = ET.fromstring(DIAGRAMS[name]())
    title, description = drawing.find("title"), drawing.find("desc")
    assert title is not None
    assert title.text
    assert description is not None
    assert len(description.text or "") > 100
    assert drawing.get("role") == "img"
    assert drawing.get("aria-describedby") == description.get("id")


@pytest.mark.parametrize("name", DIAGRAMS)
def test_diagram_is_one_block_of_html_to_markdown(name: str) -> None:
    assert all(line.strip() for line in DIAGRAMS[name]().splitlines())


@pytest.mark.parametrize("name", DIAGRAMS)
def test_nothing_is_drawn_out_of_sight(name: str) -> None:
    drawing = ET.fromstring(DIAGRAMS[name]())
    _, _, width, height = map(float, drawing.attrib["viewBox"].split())
    for box in drawing.iter("rect"):
        x, y, wide, tall = (float(box.attrib[side]) for side in ("x", "y", "width", "height"))
        assert 0 <= x <= x + wide <= width
        assert 0 <= y <= y + tall <= height
    for text in drawing.iter("text"):
        if "x" in text.attrib:
            assert 0 <= float(text.attrib["x"]) <= width
            assert 0 <= float(text.attrib["y"]) <= height


def test_every_diagram_stands_on_a_page() -> None:
    shown = re.findall(r"<!-- generate: diagram-(\w+) -->", "".join(page.read_text() for page in DOCS.rglob("*.md")))
    assert sorted(shown) == sorted(DIAGRAMS)


def test_figures_are_those_of_the_recorded_run(record: Callable[[list[dict[str, Any]]], None]) -> None:
    record(
        [
            row("waits", "bytes", "B", 1234, "5,000 async tasks deferring: memory a wait"),
            row("waits", "cpu", "%", 3.75),
            row("blocking-waits-1000", "bytes", "B", 45_600),
            row("freed-slots", "seconds", "s", 0.0021),
        ]
    )
    table = benchmarks.waits_table(DOCS).replace("&nbsp;", " ")
    assert [line.split(" | ")[1].strip(" |") for line in table.splitlines()[2:]] == [
        "1.2 kB",
        "45.6 kB",
        "3.8 %",
        "2.1 ms",
    ]
    assert "5 000 waits" in table
    every = benchmarks.all_figures(DOCS).replace("&nbsp;", " ").splitlines()
    assert every[-1] == (
        "| 100 tasks | 2.1 ms<br><small>1.05 ms … 4.2 ms</small> | 3.15 ms<br><small>1.05 ms … 4.2 ms</small> | – |"
    )
    assert "3 cores, Linux riscv64, with CPython 3.12.1" in benchmarks.machine(DOCS)


def test_a_target_that_was_not_met_is_told(record: Callable[[list[dict[str, Any]]], None]) -> None:
    met = {**row("chain", "seconds", "s", 0.5), "target": 0.6, "met": True, "more_is_better": False}
    missed = {**row("at-once", "rate", "x", 0.5, "many at once"), "target": 0.6, "met": False, "more_is_better": True}
    record([met, missed])
    assert benchmarks.targets(DOCS).replace("&nbsp;", " ") == (
        "The project has set itself 2 targets, and this run met 1 of them. "
        "Not met: *many at once*, 0.50 × where at least 0.60 × is the target."
    )


def test_a_plot_tells_what_was_measured(record: Callable[[list[dict[str, Any]]], None]) -> None:
    record([row("chain", "seconds", "x", 2.0, "a chain"), row("chain", "seconds", "s", 0.5)])
    drawing = ET.fromstring(benchmarks.floor_plot(DOCS))
    description = drawing.findtext("desc")
    assert description == "a chain: asyncio 2.00 ×, from 1.00 × to 4.00 ×, trio 3.00 ×, from 1.00 × to 4.00 ×."


def test_a_longer_bar_is_a_larger_figure() -> None:
    bars = [Range("asyncio", 1, 1, 2), Range("trio", 2, 3, 4)]
    drawing = ET.fromstring(draw_ranges("Figures", [Group("work", bars)], str))
    first, second = (box for box in drawing.iter("rect") if box.get("class") == "deferred")
    assert float(second.attrib["width"]) == pytest.approx(2 * float(first.attrib["width"]), abs=0.5)
    assert float(second.attrib["x"]) > float(first.attrib["x"])
