"""As many deferring tasks as there are slots, and one real task behind them: when does that one start?"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import anyio

from cloacina import AsyncRunner, Context, TaskHandle, Workflow, task

if TYPE_CHECKING:
    from pathlib import Path


async def measure(folder: Path, *, executions: int, slots: int) -> dict[str, float]:
    """Return the median, over several executions, of the seconds from the submission to the real task's start."""
    is_open = False
    started = 0.0

    with Workflow("freed_slots") as workflow:
        for number in range(slots):

            @task(id=f"waits_{number}")
            async def waits(context: Context, handle: TaskHandle) -> None:
                await handle.defer_until(lambda: is_open, poll_interval_ms=20)

        @task
        async def works(context: Context) -> None:
            nonlocal started
            started = time.perf_counter()

    each: list[float] = []
    async with AsyncRunner(folder / "measured.db", max_concurrent_tasks=slots) as runner:
        for _ in range(executions + 1):
            is_open = False
            began = time.perf_counter()
            execution = await runner.submit(workflow)
            while started < began:
                await anyio.sleep(0.001)
            each.append(started - began)
            is_open = True
            (await execution.wait()).raise_for_status()
    return {"seconds": statistics.median(each[1:])}
