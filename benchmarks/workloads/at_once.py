"""Many workflows of one no-op task at once, behind a few slots."""

from __future__ import annotations

import asyncio
import gc
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import anyio

from benchmarks.process_figures import ProcessorTime
from cloacina import AsyncRunner, Context, Workflow, task

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path


@task
async def nothing(context: Context) -> None:
    """Do nothing, on the loop."""


@task
def nothing_in_a_thread(context: Context) -> None:
    """Do nothing, in a thread."""


async def measure(
    folder: Path,
    *,
    executions: int,
    slots: int,
    blocking: bool = False,
    each_by_itself: bool = False,
    durability: Literal["full", "fast"] = "fast",
) -> dict[str, float]:
    """Run executions all at once.

    Args:
        folder: Where the database file goes.
        executions: How many.
        slots: How many tasks run at once.
        blocking: Whether the task is a `def` one.
        each_by_itself: Whether each execution is submitted by a task of its own, not all of them by one call.
        durability: What the runner is asked for.

    Returns:
        `rate`, how many end in a second, and `processor`, the processor time of one in seconds.
    """
    workflow = Workflow("nothing", tasks=[nothing_in_a_thread if blocking else nothing])
    contexts = [{"a": 1} for _ in range(executions)]
    async with AsyncRunner(folder / "measured.db", max_concurrent_tasks=slots, durability=durability) as runner:
        await runner.execute(workflow, {"a": 1})
        gc.collect()  # What the imports have left is not to be looked through in the midst of it.
        began, used = time.perf_counter(), ProcessorTime()
        if each_by_itself:
            await _gather([partial(runner.execute, workflow, context) for context in contexts])
        else:
            for execution in await runner.submit_many(workflow, contexts):
                await execution.wait()
        return {"rate": executions / (time.perf_counter() - began), "processor": used.seconds() / executions}


async def _gather(calls: Sequence[Callable[[], Coroutine[Any, Any, object]]]) -> None:
    """Run calls in a task each, by the cheapest means that the event loop has: on asyncio, those of the floor."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        async with anyio.create_task_group() as group:
            for call in calls:
                group.start_soon(call)
    else:
        await asyncio.gather(*(call() for call in calls))
