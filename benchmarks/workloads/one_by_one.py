"""Workflows of one no-op task, one after another: what a single execution takes from the call to its result."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Literal

from benchmarks.process_figures import percentile
from cloacina import AsyncRunner, Context, Workflow, task

if TYPE_CHECKING:
    from pathlib import Path


@task
async def nothing(context: Context) -> None:
    """Do nothing."""


async def measure(
    folder: Path, *, executions: int, slots: int, durability: Literal["full", "fast"] = "fast"
) -> dict[str, float]:
    """Return the median of the executions in seconds, and how often it the slowest of a hundred takes."""
    workflow = Workflow("nothing", tasks=[nothing])
    each: list[float] = []
    async with AsyncRunner(folder / "measured.db", max_concurrent_tasks=slots, durability=durability) as runner:
        for _ in range(executions // 10):
            await runner.execute(workflow, {"a": 1})
        for _ in range(executions):
            began = time.perf_counter()
            await runner.execute(workflow, {"a": 1})
            each.append(time.perf_counter() - began)
    return {"seconds": statistics.median(each), "tail": percentile(each, 99) / statistics.median(each)}
