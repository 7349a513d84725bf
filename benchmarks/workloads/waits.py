"""Many tasks in a wait behind a few slots: what each takes of memory, what polling costs, how they end."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

import anyio

from benchmarks.process_figures import ProcessorTime, resident_bytes
from cloacina import AsyncRunner, BlockingTaskHandle, Context, TaskHandle, Workflow, task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cloacina import Execution

_AT_ONCE = 1_000
_WARM_UP = 50
_STARTING_SECONDS = 60.0
_SETTLE_SECONDS = 2.0


class Gate:
    """What the tasks wait for, and when they saw it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.is_open = False
        self.started = 0
        self.resumed = 0
        self.last_seen = 0.0
        self.last_resumed = 0.0
        self.all_resumed = anyio.Event()

    def open(self) -> None:
        """Let every condition hold."""
        self.is_open = True
        self._path.touch()

    def seen_as_file(self) -> bool:
        """Return whether it is open, at the price of asking for a file."""
        return self._path.exists() and self.seen()

    def seen(self) -> bool:
        """Note that somebody has seen it open."""
        self.last_seen = time.perf_counter()
        return True

    def resume(self) -> None:
        """Count a task that goes on."""
        self.resumed += 1
        self.last_resumed = time.perf_counter()


def deferring(gate: Gate, *, blocking: bool, as_file: bool) -> Workflow:
    """Return a workflow of one task that waits for the gate."""

    def condition() -> Callable[[], bool]:
        # Each task brings a function of its own, as real ones do.
        return gate.seen_as_file if as_file else lambda: gate.is_open and gate.seen()

    @task(id="waits")
    async def waits(context: Context, handle: TaskHandle) -> None:
        gate.started += 1
        await handle.defer_until(condition(), poll_interval_ms=1000)
        gate.resume()

    @task(id="waits")
    def waits_in_a_thread(context: Context, handle: BlockingTaskHandle) -> None:
        gate.started += 1
        handle.defer_until(condition(), poll_interval_ms=1000)
        gate.resume()

    return Workflow("deferring", tasks=[waits_in_a_thread if blocking else waits])


@task
async def nothing(context: Context) -> None:
    """Do nothing."""


async def measure(
    folder: Path,
    *,
    waits: int,
    slots: int,
    seconds: float = 0.0,
    blocking: bool = False,
    as_file: bool = False,
    cancel: bool = False,
) -> dict[str, float]:
    """Park tasks, watch them for a while, and let them resume, or cancel them.

    Args:
        folder: Where the database file goes.
        waits: How many tasks.
        slots: How many of them run at once.
        seconds: For how long the polling is watched.
        blocking: Whether the tasks are `def` ones, with a thread each.
        as_file: Whether the condition is whether a file exists.
        cancel: Whether they are cancelled in the end, by leaving the runner with an exception.

    Returns:
        `parked_rate` (a second), `bytes` (resident, for each), `cpu` (percent of a core); and of those that resume
        `resumed_after`, in seconds from the last poll that saw the gate open to the last task that goes on,
        `stored_after`, in seconds from the gate's opening to the runner's end, and `finished`, how many have gone on;
        of those cancelled `cancelled_after`, in seconds from the exception to the runner's end.
    """
    figures: dict[str, float] = {}
    ended = 0.0
    gate = Gate(folder / "gate")
    workflow = deferring(gate, blocking=blocking, as_file=as_file)
    try:
        async with AsyncRunner(folder / "measured.db", max_concurrent_tasks=slots) as runner:
            await _warm_up(runner, folder)
            resident = resident_bytes()
            figures["parked_rate"], _ = await parked_rate(runner, workflow, waits)
            with anyio.fail_after(_STARTING_SECONDS):
                while gate.started < waits:  # The threads of the last may not have begun.
                    await anyio.sleep(0.01)
            await anyio.sleep(_SETTLE_SECONDS)
            figures["bytes"] = (resident_bytes() - resident) / waits
            if seconds:
                used = ProcessorTime()
                await anyio.sleep(seconds)
                figures["cpu"] = used.percent()
            ended = time.perf_counter()
            if cancel:
                raise _Leave
            gate.open()
    except* _Leave:
        figures["cancelled_after"] = time.perf_counter() - ended
    else:
        figures["stored_after"] = time.perf_counter() - ended
        figures["resumed_after"] = gate.last_resumed - gate.last_seen
        figures["finished"] = gate.resumed
    return figures


class _Leave(Exception):
    pass


async def _warm_up(runner: AsyncRunner, folder: Path) -> None:
    """Let everything that is there once, be there: threads, caches, compiled statements."""
    gate = Gate(folder / "warm-up")
    executions = await runner.submit_many(deferring(gate, blocking=False, as_file=False), [{}] * _WARM_UP)
    gate.open()
    for execution in executions:
        (await execution.wait()).raise_for_status()
    gc.collect()


async def parked_rate(runner: AsyncRunner, workflow: Workflow, waits: int) -> tuple[float, list[Execution]]:
    """Submit tasks that wait; return, when all have had a slot, how many that were in a second, and the executions."""
    began = time.perf_counter()
    executions: list[Execution] = []
    for first in range(0, waits, _AT_ONCE):
        executions += await runner.submit_many(workflow, [{}] * min(_AT_ONCE, waits - first))
    # First come, first served: when this one has run, everyone before it has had a slot.
    (await runner.execute(Workflow("behind", tasks=[nothing]))).raise_for_status()
    return waits / (time.perf_counter() - began), executions
