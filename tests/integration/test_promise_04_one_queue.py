"""Promise 4: new and resuming tasks stand in one first-come-first-served queue."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import pytest

from cloacina import AsyncRunner, BlockingTaskHandle, Context, TaskHandle, Workflow, task

if TYPE_CHECKING:
    from tests.integration.conftest import Deferring, UntilWait

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])


class _Occupant:
    """A task that holds the only slot until it is told to end."""

    def __init__(self) -> None:
        self.occupies = anyio.Event()
        self.is_open = anyio.Event()

        @task(id="occupy")
        async def occupy(context: Context) -> None:
            self.occupies.set()
            await self.is_open.wait()

        self.workflow = Workflow("occupies", tasks=[occupy])


@_BOTH_KINDS
async def test_new_and_resuming_tasks_are_served_in_the_order_of_their_coming(
    kind: str, deferring: Deferring, until_wait: UntilWait
) -> None:
    journal: list[str] = []
    gates = [threading.Event(), threading.Event()]
    occupant = _Occupant()

    def note(name: str) -> Workflow:
        @task(id="note")
        def noting(context: Context) -> None:
            journal.append(name)

        return Workflow(name, tasks=[noting])

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        waiting = [
            await runner.submit(
                Workflow(f"wait_{number}", tasks=[deferring(kind, f"wait_{number}", gate.is_set, journal)])
            )
            for number, gate in enumerate(gates)
        ]
        for execution in waiting:
            await until_wait(runner, execution)
        journal.clear()
        await runner.submit(occupant.workflow)
        await occupant.occupies.wait()

        await runner.submit(note("new_0"))
        gates[1].set()
        await until_wait(runner, waiting[1], "resuming")
        await runner.submit(note("new_1"))
        gates[0].set()
        await until_wait(runner, waiting[0], "resuming")
        await runner.submit(note("new_2"))
        assert journal == []
        occupant.is_open.set()
    assert journal == ["new_0", "wait_1 goes on", "new_1", "wait_0 goes on", "new_2"]


@_BOTH_KINDS
async def test_a_task_that_never_stops_waiting_starves_nobody(kind: str) -> None:
    others_are_done = threading.Event()
    done: list[int] = []

    @task(id="greedy")
    async def greedy(context: Context, handle: TaskHandle) -> None:
        while not others_are_done.is_set():
            answers = iter([False, True])
            await handle.defer_until(lambda: next(answers), poll_interval_ms=1)  # noqa: B023 - called in this turn

    @task(id="greedy")
    def greedy_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        while not others_are_done.is_set():
            answers = iter([False, True])
            handle.defer_until(lambda: next(answers), poll_interval_ms=1)  # noqa: B023 - called in this turn

    def count(context: Context) -> None:
        done.append(context["number"])
        if len(done) == 20:
            others_are_done.set()

    counting = Workflow("counts", tasks=[task(count)])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("greedy", tasks=[greedy if kind == "async def" else greedy_blocking]))
        await runner.submit_many(counting, [{"number": number} for number in range(20)])
        (await execution.wait()).raise_for_status()
    assert done == list(range(20))


@_BOTH_KINDS
async def test_yield_slot_lets_those_go_first_who_queue(kind: str) -> None:
    journal: list[str] = []
    others_queue = threading.Event()

    @task(id="yielding")
    async def yielding(context: Context, handle: TaskHandle) -> None:
        journal.append("starts")
        while not others_queue.is_set():
            await anyio.sleep(0.001)
        await handle.yield_slot()
        journal.append(f"goes on, held: {handle.is_slot_held()}")

    @task(id="yielding")
    def yielding_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        journal.append("starts")
        others_queue.wait(20)
        handle.yield_slot()
        journal.append(f"goes on, held: {handle.is_slot_held()}")

    @task
    def note(context: Context) -> None:
        journal.append("other")

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(
            Workflow("yields", tasks=[yielding if kind == "async def" else yielding_blocking])
        )
        await runner.submit_many(Workflow("notes", tasks=[note]), [None, None])
        others_queue.set()
        result = (await execution.wait()).raise_for_status()
        types = [event.type for event in await runner.events(execution.id) if event.task_id]
    assert journal == ["starts", "other", "other", "goes on, held: True"]
    assert types == ["task_started", "task_deferred", "task_resuming", "task_resumed", "task_completed"]
    assert result.tasks["yielding"].sub_status is None


async def test_yield_slot_is_nothing_when_nobody_queues() -> None:
    @task
    async def alone(context: Context, handle: TaskHandle) -> None:
        await handle.yield_slot()
        context["held"] = handle.is_slot_held()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = (await runner.execute(Workflow("alone", tasks=[alone]))).raise_for_status()
        types = [event.type for event in await runner.events(result.id) if event.task_id]
    assert result.context == {"held": True}
    assert types == ["task_started", "task_completed"]
