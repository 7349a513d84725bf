"""The workflow: fetch → validate → aggregate and find the change → report."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cloacina import BlockingTaskHandle, ConditionError, Context, RetryPolicy, Workflow, task
from nile_flow.analysis import describe_decades, find_fall
from nile_flow.measurements import read_measurements
from nile_flow.report import draw_chart, format_report
from nile_flow.source import read_if_there

DATA = Path(__file__).with_name("data") / "nile.csv"

with Workflow("nile-flow") as workflow:

    @task(retry=RetryPolicy(attempts=3, delay=timedelta(seconds=5), backoff="exponential", retry_on=ConditionError))
    def fetch(context: Context, handle: BlockingTaskHandle) -> None:
        """Read the file, or the answer of the web server, as soon as it is there; no slot is held until then."""
        source = context.get("source", str(DATA))
        context["text"] = handle.defer_until(
            lambda: read_if_there(source), poll_interval_ms=1000, timeout=timedelta(hours=1), tolerate_errors=2
        )

    @task(dependencies=[fetch])
    def validate(context: Context) -> None:
        """Make years and volumes of the text, or tell which line is wrong."""
        measurements = read_measurements(context["text"])
        context["first_year"] = measurements[0].year
        context["volumes"] = [measurement.volume for measurement in measurements]
        del context["text"]

    @task(dependencies=[validate])
    def aggregate(context: Context) -> None:
        """Describe each decade."""
        context["decades"] = describe_decades(context["first_year"], context["volumes"])

    @task(dependencies=[validate])
    def find_change(context: Context) -> None:
        """Find the year after which the flow was different."""
        context["change"] = find_fall(context["first_year"], context["volumes"])

    @task(dependencies=[aggregate, find_change], retry=RetryPolicy(attempts=3, delay=1, retry_on=OSError))
    def report(context: Context) -> None:
        """Write a page of Markdown, and the chart that it shows beside it."""
        page = Path(context.get("report", "nile.md"))
        chart = page.with_suffix(".svg")
        first_year, volumes, change = context["first_year"], context["volumes"], context["change"]
        chart.write_text(draw_chart(first_year, volumes, change), encoding="utf-8")
        page.write_text(format_report(first_year, volumes, context["decades"], change, chart.name), encoding="utf-8")
        context["report"] = str(page)
        del context["volumes"]
