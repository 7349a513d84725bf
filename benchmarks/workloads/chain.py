"""One workflow of tasks that each depend on the one before, and change what it wrote."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from cloacina import AsyncRunner, Context, Workflow, task

if TYPE_CHECKING:
    from pathlib import Path


def chain(length: int) -> Workflow:
    """Return the workflow."""
    with Workflow("chain") as workflow:
        for position in range(length):

            @task(id=f"link_{position}", dependencies=[f"link_{position - 1}"] if position else [])
            async def link(context: Context) -> None:
                context["count"] = context.get("count", 0) + 1

    return workflow


async def measure(folder: Path, *, tasks: int, executions: int, slots: int) -> dict[str, float]:
    """Return the median of several executions in seconds."""
    workflow = chain(tasks)
    each: list[float] = []
    async with AsyncRunner(folder / "measured.db", max_concurrent_tasks=slots) as runner:
        await runner.execute(workflow)
        for _ in range(executions):
            began = time.perf_counter()
            result = await runner.execute(workflow)
            each.append(time.perf_counter() - began)
            if result.raise_for_status().context["count"] != tasks:
                raise RuntimeError(f"the chain counted to {result.context['count']}, expected {tasks}")
    return {"seconds": statistics.median(each)}
