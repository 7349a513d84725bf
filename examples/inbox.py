"""Four tasks wait for four different things, and four slots serve all the others meanwhile."""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import time_zones
from inbox_report import format_report
from inbox_world import ask, late_world

from cloacina import AsyncRunner, BlockingTaskHandle, Context, TaskHandle, Workflow, task
from cloacina.observe import render_timeline

if TYPE_CHECKING:
    from collections.abc import Callable

YEAR = 2026
REGIONS = ["Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"]


def has_passed(moment: float) -> Callable[[], bool]:
    return lambda: time.monotonic() >= moment


with Workflow("inbox") as inbox:

    @task
    async def wait_for_offices(context: Context, handle: TaskHandle) -> None:
        path = anyio.Path(context["folder"], "inbox", "offices.csv")
        await handle.defer_until(path.exists, poll_interval_ms=100)
        lines = (await path.read_text(encoding="utf-8")).splitlines()
        context["offices"] = list(csv.DictReader(lines))

    @task
    async def lock_reports(context: Context, handle: TaskHandle) -> None:
        def take_lock() -> bool:  # asking and taking are one step, so nobody comes between
            try:
                Path(context["folder"], "reports", ".lock").touch(exist_ok=False)
            except FileExistsError:
                return False
            return True

        await handle.defer_until(take_lock, poll_interval_ms=100)

    @task
    def wait_for_checksum(context: Context, handle: BlockingTaskHandle) -> None:
        service = context["service"]
        job = ask(service, "POST", "/checksums", (time_zones.DATA / "tzdata.zi").read_bytes())[0]["job"]
        context["sha256"] = handle.defer_until(lambda: ask(service, "GET", job)[0]["sha256"], poll_interval_ms=500)

    @task
    def fetch_leap_seconds(context: Context, handle: BlockingTaskHandle) -> None:
        days: list[str] = []
        for decade in (1970, 1980, 1990, 2000, 2010):
            answer, retry_after = ask(context["service"], "GET", f"/leap-seconds/{decade}")
            while retry_after:
                handle.defer_until(has_passed(time.monotonic() + retry_after), poll_interval_ms=20)
                answer, retry_after = ask(context["service"], "GET", f"/leap-seconds/{decade}")
            days += answer["days"]
        context["leap_seconds"] = days

    @task
    def parse_countries(context: Context) -> None:
        context["countries"] = {row[0]: row[1] for row in time_zones.table("iso3166.tab")}

    @task
    def parse_zones(context: Context) -> None:
        context["zones"] = time_zones.table("zone1970.tab")

    @task
    def parse_history(context: Context) -> None:
        context["history"] = time_zones.history()

    @task(dependencies=[parse_zones])
    def measure_distances(context: Context) -> None:
        context["distances"] = time_zones.extreme_pairs(context["zones"])

    @task(dependencies=[parse_countries, parse_zones])
    def rank_countries(context: Context) -> None:
        counts = Counter(code for row in context["zones"] for code in row[0].split(","))
        context["most_zones"] = [f"{context['countries'][code]} ({n})" for code, n in counts.most_common(3)]

    def summarise(region: str) -> Callable[[Context], None]:
        @task(id=f"summarise_{region.lower()}", dependencies=[parse_zones, parse_history])
        def summarise_region(context: Context) -> None:
            context[region] = time_zones.region_summary(region, context["zones"], context["history"], year=YEAR)

        return summarise_region

    regions = [summarise(region) for region in REGIONS]

    @task(dependencies=[wait_for_offices, parse_history])
    def plan_meetings(context: Context) -> None:
        zones = [office["zone"] for office in context["offices"]]
        context["meeting"] = time_zones.best_meeting(zones, context["history"], year=YEAR)

    findings: list[Callable[..., None]] = [
        fetch_leap_seconds,
        measure_distances,
        rank_countries,
        plan_meetings,
        *regions,
    ]

    @task(dependencies=[lock_reports, wait_for_checksum, *findings])
    def write_report(context: Context) -> None:
        reports = Path(context["folder"], "reports")
        (reports / "time-zones.md").write_text(format_report(context, REGIONS), encoding="utf-8")
        (reports / ".lock").unlink()


async def main(folder: Path) -> None:
    print(f"{len(inbox.tasks)} tasks, 4 slots, and 4 of the tasks wait for the world. Folder: {folder}", flush=True)
    with late_world(folder) as service:
        async with AsyncRunner(f"sqlite:///{folder}/inbox.db", max_concurrent_tasks=4) as runner:
            result = await runner.execute(inbox, {"folder": str(folder), "service": service})
            result.raise_for_status()
            events = await runner.events(result.id)
    print((folder / "reports" / "time-zones.md").read_text(encoding="utf-8"))
    print(render_timeline(events))


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="inbox-")))
