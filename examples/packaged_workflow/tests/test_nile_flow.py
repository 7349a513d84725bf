"""The workflow finds what the literature says, waits for what is not there yet, and refuses what is wrong."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from cloacina import WaitTimeout
from cloacina.testing import VirtualClock, run_workflow
from nile_flow import tasks
from nile_flow.analysis import describe_decades, find_fall
from nile_flow.measurements import read_measurements
from nile_flow.report import draw_chart
from nile_flow.source import read_if_there
from nile_flow.tasks import DATA, workflow

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from nile_flow.analysis import Change


def test_the_report_says_that_the_flow_fell_after_1898(tmp_path: Path) -> None:
    result = run_workflow(workflow, {"report": str(tmp_path / "nile.md")}).raise_for_status()
    page = (tmp_path / "nile.md").read_text(encoding="utf-8")
    assert "# The Nile at Aswan, 1871–1970" in page
    assert "After 1898, the flow was 23% lower: 850 × 10⁸ m³ a year instead of 1,098." in page
    assert "Driest year: 1913, with 456 × 10⁸ m³." in page
    assert "Wettest year: 1879, with 1,370 × 10⁸ m³." in page
    assert "| 1870s | 1,132 | 813 | 1,370 |" in page
    assert "(nile.svg)" in page
    chart = (tmp_path / "nile.svg").read_text(encoding="utf-8")
    assert chart.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert chart.count("<title>") == 1 + 100  # of the chart, and of each year
    assert set(result.context) == {"change", "decades", "first_year", "report"}


def test_the_measurements_are_those_of_the_paper() -> None:
    volumes = [measurement.volume for measurement in read_measurements(DATA.read_text(encoding="utf-8"))]
    assert len(volumes) == 100
    assert sum(volumes) == 91_935  # the mean of 919.35 that the literature gives
    assert sum(volumes[:28]) == 30_737  # and that of 1097.75 before the change
    readme = DATA.with_name("README.md").read_text(encoding="utf-8")
    assert "Biometrika 65 (1978)" in readme
    assert "public domain" in readme


# ── fetch ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def serving(codes: Sequence[int]) -> Generator[str]:
    """Serve the data on this machine, after answers with other codes; yield the address."""
    remaining = list(codes)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code = remaining.pop(0) if remaining else 200
            self.send_response(code)
            self.end_headers()
            if code == 200:
                self.wfile.write(DATA.read_bytes())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/nile.csv"
        finally:
            server.shutdown()
            thread.join()


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualClock()

    def read_after_a_minute(source: str) -> str | None:
        return read_if_there(source) if clock.elapsed >= timedelta(minutes=1) else None

    monkeypatch.setattr(tasks, "read_if_there", read_after_a_minute)
    result = run_workflow(workflow, {"report": str(tmp_path / "nile.md")}, clock=clock)
    assert result.raise_for_status().context["change"]["last_year_before"] == 1898
    assert clock.elapsed == timedelta(minutes=1)


def test_a_file_that_is_missing_or_empty_is_not_there_yet(tmp_path: Path) -> None:
    assert read_if_there(str(tmp_path / "late.csv")) is None
    (tmp_path / "late.csv").touch()
    assert read_if_there(str(tmp_path / "late.csv")) is None
    (tmp_path / "late.csv").write_text("year", encoding="utf-8")
    assert read_if_there(str(tmp_path / "late.csv")) == "year"


def test_a_web_server_that_has_no_answer_yet_is_asked_again(tmp_path: Path) -> None:
    clock = VirtualClock()
    with serving([404, 503, 202]) as source:
        result = run_workflow(workflow, {"source": source, "report": str(tmp_path / "nile.md")}, clock=clock)
    assert result.raise_for_status().context["change"]["last_year_before"] == 1898
    assert result.tasks["fetch"].attempt == 1
    assert clock.elapsed == timedelta(seconds=3)  # three intervals


def test_a_web_server_that_fails_again_and_again_is_given_another_attempt(tmp_path: Path) -> None:
    with serving([500, 500, 500]) as source:
        result = run_workflow(workflow, {"source": source, "report": str(tmp_path / "nile.md")})
    assert result.raise_for_status().tasks["fetch"].attempt == 2


def test_what_never_comes_is_given_up_after_an_hour(tmp_path: Path) -> None:
    clock = VirtualClock()
    result = run_workflow(workflow, {"source": str(tmp_path / "nowhere.csv")}, clock=clock)
    assert result.error is not None
    assert result.error.code == WaitTimeout.code
    assert result.tasks["report"].status == "Skipped"
    assert clock.elapsed == timedelta(hours=1)


# ── validate ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def lines(*changed: str) -> str:
    return "\n".join(["year,volume", *(f"{year},1000" for year in range(1900, 1910)), *changed])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (lines("1910,many"), "line 12: volume: Input should be a valid integer"),
        (lines("1910,-3"), "line 12: volume: Input should be greater than 0"),
        (lines("1910"), "line 12: volume: "),
        ("year;volume\n1900;1000\n", "line 2: year: Field required"),
        (lines("1911,1000"), "after 1909 comes 1911; expected each year once, in order"),
        (lines("1909,1000"), "after 1909 comes 1909"),
        ("year,volume\n1900,1000\n", "1 measurements are too few"),
        ("year,volume\n", "0 measurements are too few"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_reason(text: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.csv").write_text(text, encoding="utf-8")
    result = run_workflow(workflow, {"source": str(tmp_path / "wrong.csv"), "report": str(tmp_path / "nile.md")})
    assert result.error is not None
    assert result.error.task_id == "validate"
    assert reason in result.error.message
    assert not (tmp_path / "nile.md").exists()


# ── aggregate and find_change ────────────────────────────────────────────────────────────────────────────────────────


def test_decades_are_those_of_the_calendar() -> None:
    decades = describe_decades(1898, [10, 20, 30, 40, 80])
    assert decades == [
        {"first_year": 1890, "mean": 15.0, "least": 10, "most": 20},
        {"first_year": 1900, "mean": 50.0, "least": 30, "most": 80},
    ]


@pytest.mark.parametrize("split", [5, 12, 25])
@pytest.mark.parametrize("after", [10, 90])
def test_a_step_is_found_where_it_is(split: int, after: int) -> None:
    change = find_fall(1900, [50] * split + [after] * (30 - split))
    assert change["last_year_before"] == 1899 + split
    assert (change["before"], change["after"]) == (50, after)
    assert change["explained"] == pytest.approx(1)


# ── report ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_report_that_cannot_be_written_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [OSError("the file server is away")]

    def draw_chart_later(first_year: int, volumes: Sequence[int], change: Change) -> str:
        if failures:
            raise failures.pop()
        return draw_chart(first_year, volumes, change)

    monkeypatch.setattr(tasks, "draw_chart", draw_chart_later)
    result = run_workflow(workflow, {"report": str(tmp_path / "nile.md")})
    assert result.raise_for_status().tasks["report"].attempt == 2
