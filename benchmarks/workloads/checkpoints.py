"""One task that takes checkpoints, one after another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cloacina import AsyncRunner, Context, TaskHandle, Workflow, task

if TYPE_CHECKING:
    from pathlib import Path


async def measure(folder: Path, *, commits: int, slots: int) -> dict[str, float]:
    """Return the seconds from one checkpoint to the next, of a step that does nothing."""
    seconds = 0.0

    async def step() -> int:
        return 1

    @task
    async def takes_checkpoints(context: Context, handle: TaskHandle) -> None:
        nonlocal seconds
        for number in range(commits // 10):
            await handle.checkpoint("warm-up", step, key=str(number))
        began = time.perf_counter()
        for number in range(commits):
            await handle.checkpoint("step", step, key=str(number))
        seconds = (time.perf_counter() - began) / commits

    async with AsyncRunner(folder / "measured.db", max_concurrent_tasks=slots) as runner:
        (await runner.execute(Workflow("checkpoints", tasks=[takes_checkpoints]))).raise_for_status()
    return {"seconds": seconds}
