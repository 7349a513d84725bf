"""`run_workflow`: a whole workflow in memory and in virtual time, in one call."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import anyio
import anyio.lowlevel
import pytest

from cloacina import Context, InvalidOption, RetryPolicy, TaskHandle, Workflow, task
from cloacina.testing import VirtualClock, run_workflow

Backend = Literal["asyncio", "trio"]
backends = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@backends
def test_workflow_runs_in_virtual_time_and_its_result_is_returned(backend: Backend) -> None:
    clock = VirtualClock()
    loops: list[str] = []

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        loops.append(_backend())
        await handle.defer_until(lambda: clock.elapsed >= timedelta(hours=5), poll_interval_ms=3_600_000)
        context["doubled"] = 2 * context["number"]

    result = run_workflow(Workflow("x", tasks=[wait]), {"number": 21}, clock=clock, backend=backend)
    assert result.raise_for_status().context == {"number": 21, "doubled": 42}
    assert clock.elapsed == timedelta(hours=5)
    assert loops == [backend]


def _backend() -> str:
    return "trio" if type(anyio.lowlevel.current_token().native_token).__module__.startswith("trio") else "asyncio"


@backends
def test_failed_execution_is_a_result(backend: Backend) -> None:
    @task(retry=RetryPolicy(attempts=2, delay=60))
    def fail(context: Context) -> None:
        raise ConnectionError("refused")

    result = run_workflow(Workflow("x", tasks=[fail]), backend=backend)
    assert result.error is not None
    assert (result.error.task_id, result.error.attempt, result.error.message) == ("fail", 2, "refused")


def test_slots_bound_how_many_bodies_run() -> None:
    now, most = 0, 0

    def make(number: int) -> object:
        @task(id=f"task_{number}")
        async def body(context: Context) -> None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await anyio.sleep(0.001)
            now -= 1

        return body

    run_workflow(Workflow("x", tasks=[make(number) for number in range(6)]), slots=2).raise_for_status()  # type: ignore[misc]
    assert most == 2
    with pytest.raises(InvalidOption):
        run_workflow(Workflow("y", tasks=[make(0)]), slots=0)  # type: ignore[list-item]


async def test_it_works_inside_of_a_running_loop() -> None:
    @task
    def body(context: Context) -> None:
        context["done"] = True

    assert run_workflow(Workflow("x", tasks=[body])).context == {"done": True}


@backends
def test_wait_that_never_ends_ends_the_test_and_says_why(backend: Backend) -> None:
    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(lambda: False)

    with pytest.raises(AssertionError, match=r"jumped 50 times, by .* something still waits; .*max_jumps"):
        run_workflow(Workflow("x", tasks=[wait]), clock=VirtualClock(max_jumps=50), backend=backend)
