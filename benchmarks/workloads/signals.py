"""Many tasks that wait for signals behind a few slots: what each takes, and how soon one goes on that got its own."""

from __future__ import annotations

import gc
import statistics
import sys
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio

from benchmarks.process_figures import ProcessorTime, percentile, resident_bytes
from benchmarks.workloads.waits import parked_rate
from cloacina import AsyncRunner, Context, TaskHandle, Workflow, task

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from cloacina import Execution

_WARM_UP = 50
_SETTLE_SECONDS = 2.0

_SENDER = """
import sys, time
from cloacina import Client

with Client(sys.argv[1]) as client:
    print("ready", flush=True)
    for execution_id in sys.stdin:
        client.signal(execution_id.strip(), "go", time.monotonic())
"""


class Arrivals:
    """When tasks went on, by the clock that all processes of a machine share."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._arrived = anyio.Event()

    def note(self, sent_at: float) -> None:
        """Note that a task goes on."""
        self.seconds.append(time.monotonic() - sent_at)
        self._arrived.set()

    async def of_each(self, executions: Sequence[Execution], send: Callable[[str], Awaitable[object]]) -> list[float]:
        """Send each execution its signal when the one before has gone on; return how long each took."""
        self.seconds.clear()
        for execution in executions:
            self._arrived = anyio.Event()
            await send(execution.id)
            await self._arrived.wait()
        return [*self.seconds]


async def measure(folder: Path, *, waits: int, slots: int, seconds: float, sent: int) -> dict[str, float]:
    """Park tasks, watch them for a while, wake some from here and some from another process, and cancel the others.

    Args:
        folder: Where the database file goes.
        waits: How many tasks.
        slots: How many of them run at once.
        seconds: For how long they are watched.
        sent: How many are sent a signal, from here and from there.

    Returns:
        `parked_rate` (a second), `bytes` (resident, for each), `cpu` (percent of a core); `here` and `there`, the
        median seconds from the sending of a signal to the task that goes on, `here_slow` and `there_slow`, the slowest
        of a hundred; and `cancelled_after`, the seconds from the first cancellation to the last that is stored.
    """
    arrivals = Arrivals()

    @task
    async def waits_for_a_signal(context: Context, handle: TaskHandle) -> None:
        arrivals.note(await handle.wait_for("go"))

    workflow = Workflow("waiting", tasks=[waits_for_a_signal])
    figures: dict[str, float] = {}
    path = folder / "measured.db"
    async with AsyncRunner(path, max_concurrent_tasks=slots) as runner:

        async def send(execution_id: str) -> None:
            await runner.signal(execution_id, "go", time.monotonic())

        await arrivals.of_each(await runner.submit_many(workflow, [{}] * _WARM_UP), send)
        gc.collect()
        resident = resident_bytes()
        figures["parked_rate"], executions = await parked_rate(runner, workflow, waits)
        await anyio.sleep(_SETTLE_SECONDS)
        figures["bytes"] = (resident_bytes() - resident) / waits
        used = ProcessorTime()
        await anyio.sleep(seconds)
        figures["cpu"] = used.percent()
        here = await arrivals.of_each(executions[:sent], send)
        there = await _from_another_process(path, arrivals, executions[sent : 2 * sent])
        for name, found in (("here", here), ("there", there)):
            figures |= {name: statistics.median(found), f"{name}_slow": percentile(found, 99)}
        began = time.perf_counter()
        for execution in executions:
            await execution.cancel()
        for execution in executions:
            await execution.wait()
        figures["cancelled_after"] = time.perf_counter() - began
    return figures


async def _from_another_process(path: Path, arrivals: Arrivals, executions: Sequence[Execution]) -> list[float]:
    async with await anyio.open_process([sys.executable, "-c", _SENDER, str(path)], stderr=None) as process:
        lines, output = process.stdin, process.stdout
        if lines is None or output is None:
            raise RuntimeError("the process has no pipes")

        async def send(execution_id: str) -> None:
            await lines.send(f"{execution_id}\n".encode())

        async with aclosing(lines):
            await output.receive()
            return await arrivals.of_each(executions, send)
