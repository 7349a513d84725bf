"""The same work twice, in two slots: once two tasks wait asleep, once they defer.

Two tasks wait for a file each, which come after 2 s and after 4 s. Six others have something to do for 1.2 s each. The
last one needs both files. The workflows differ in how the two wait, and in nothing else.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from cloacina import Context, EventType, Runner, TaskHandle, Workflow, task
from docsite.recordings import RECORDING, to_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cloacina import EventRecord

SLOTS = 2
ARRIVALS = {"export": 2.0, "reply": 4.0}
WORK = ["resize", "index", "backup", "tidy", "scan", "encode"]
WORK_SECONDS = 1.2
REPORT_SECONDS = 1.0


def sleeper(name: str) -> Callable[..., object]:
    """Return a task that looks for its file, and sleeps in between."""

    @task(id=name)
    async def wait_asleep(context: Context) -> None:
        file = anyio.Path(context["folder"], name)
        while not await file.exists():  # noqa: ASYNC110 - this is the way of waiting that is recorded here
            await anyio.sleep(0.1)

    return wait_asleep


def deferrer(name: str) -> Callable[..., object]:
    """Return a task that looks for its file, and holds no slot in between."""

    @task(id=name)
    async def wait_deferred(context: Context, handle: TaskHandle) -> None:
        file = anyio.Path(context["folder"], name)
        await handle.defer_until(file.exists, poll_interval_ms=100)

    return wait_deferred


def worker(name: str) -> Callable[..., object]:
    """Return a task that has something to do; a sleeping thread stands for it, which takes the same time each run."""

    @task(id=name)
    def work(_: Context) -> None:
        time.sleep(WORK_SECONDS)

    return work


def workflow(name: str, wait: Callable[[str], Callable[..., object]]) -> Workflow:
    """Return the workflow with one way of waiting."""
    with Workflow(name) as built:
        waits = [wait(file) for file in ARRIVALS]
        for one in WORK:
            worker(one)

        @task(dependencies=waits)
        def report(_: Context) -> None:
            time.sleep(REPORT_SECONDS)

    return built


def run(program: Workflow, waits_from: EventType) -> list[list[object]]:
    """Run a workflow while its files arrive, and return its events.

    Args:
        program: The workflow.
        waits_from: The event with which one of its waits begins. The files' time runs from when both have begun.
    """
    with tempfile.TemporaryDirectory() as folder:
        couriers = [threading.Timer(after, Path(folder, name).touch) for name, after in ARRIVALS.items()]
        with Runner("sqlite://", max_concurrent_tasks=SLOTS) as runner:
            execution = runner.submit(program, {"folder": folder})
            while not _wait_for_files(runner.events(execution.id), waits_from):
                time.sleep(0.001)
            for courier in couriers:
                courier.start()
            result = execution.wait().raise_for_status()
            events = runner.events(result.id)
        for courier in couriers:
            courier.join()
    return to_rows(events)


def _wait_for_files(events: Iterable[EventRecord], waits_from: EventType) -> bool:
    return ARRIVALS.keys() <= {event.task_id for event in events if event.type is waits_from}


def record() -> None:
    """Run both workflows and write what happened to the file that the pages are drawn from."""
    runs = {
        "sleeping": run(workflow("sleeping", sleeper), EventType.TASK_STARTED),
        "deferring": run(workflow("deferring", deferrer), EventType.TASK_DEFERRED),
    }
    text = json.dumps(runs, indent=None).replace("]], ", "]],\n").replace("], [", "],\n  [")
    RECORDING.write_text(text + "\n", encoding="utf-8")
    for name, rows in runs.items():
        print(f"{name}: {rows[-1][0]} ms")
