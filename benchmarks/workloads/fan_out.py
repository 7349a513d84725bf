"""One workflow of a task, many that depend on it, and one that depends on all of those."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from cloacina import AsyncRunner, Context, Workflow, task

if TYPE_CHECKING:
    from pathlib import Path


def fan_out(width: int) -> Workflow:
    """Return the workflow."""
    parts = [f"part_{number}" for number in range(width)]
    with Workflow("fan_out") as workflow:

        @task
        async def split(context: Context) -> None:
            context["parts"] = width

        for part in parts:

            @task(id=part, dependencies=[split])
            async def work(context: Context, part: str = part) -> None:
                context[part] = 1

        @task(dependencies=parts)
        async def join(context: Context) -> None:
            context["sum"] = sum(context[part] for part in parts)

    return workflow


async def measure(folder: Path, *, width: int, executions: int, slots: int) -> dict[str, float]:
    """Return the median of several executions in seconds."""
    workflow = fan_out(width)
    each: list[float] = []
    async with AsyncRunner(folder / "measured.db", max_concurrent_tasks=slots) as runner:
        await runner.execute(workflow)
        for _ in range(executions):
            began = time.perf_counter()
            result = await runner.execute(workflow)
            each.append(time.perf_counter() - began)
            if result.raise_for_status().context["sum"] != width:
                raise RuntimeError(f"the parts sum up to {result.context['sum']}, expected {width}")
    return {"seconds": statistics.median(each)}
