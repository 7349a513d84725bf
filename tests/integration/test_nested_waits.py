"""Tasks that wait, slot in hand, for executions of their own runner: as long as that can end, and refused otherwise."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

from cloacina import (
    AsyncRunner,
    BlockingExecution,
    BlockingTaskHandle,
    Context,
    Execution,
    ExecutionStatus,
    Runner,
    TaskHandle,
    Workflow,
    WouldDeadlock,
    task,
)
from cloacina.scheduling import nested_waits
from cloacina.testing import VirtualClock

if TYPE_CHECKING:
    pass


@task(id="child")
async def child_task(context: Context) -> None:
    context["rows"] = 3


CHILD = Workflow("child", tasks=[child_task])


@pytest.mark.parametrize("way", ["execute", "submit and wait", "wait by id", "in a group"])
@pytest.mark.parametrize("slots", [1, 3])
async def test_the_last_slot_is_not_given_to_one_who_waits_for_a_slot(slots: int, way: str) -> None:
    begun = 0
    all_have_begun = anyio.Event()

    async def wait_for_child(context: Context) -> None:
        if way == "execute":
            context["child"] = (await runner.execute(CHILD)).context
        elif way == "in a group":
            async with anyio.create_task_group() as group:
                group.start_soon(runner.execute, CHILD)
                group.start_soon(runner.execute, CHILD)
        else:
            execution = await runner.submit(CHILD)
            await (execution.wait() if way == "submit and wait" else runner.wait(execution.id))

    @task
    async def parent(context: Context) -> None:
        nonlocal begun
        begun += 1
        if begun == slots:
            all_have_begun.set()
        await all_have_begun.wait()
        try:
            await wait_for_child(context)
        except* WouldDeadlock as refusals:
            raise refusals.exceptions[0] from None

    async with AsyncRunner("sqlite://", max_concurrent_tasks=slots) as runner:
        executions = await runner.submit_many(Workflow("parent", tasks=[parent]), [None] * slots)
        results = [await execution.wait() for execution in executions]
        # What was refused leaves its slot to the others, and nothing behind.
        assert [result.error.code for result in results if result.error is not None] == ["CLO-1310"]
        assert runner._engine._resources.slots.available == slots
        assert {record.status for record in await runner.executions(workflow="child")} <= {ExecutionStatus.COMPLETED}


@pytest.mark.parametrize("slots", [1, 3])
def test_threads_are_refused_the_last_slot_as_well(slots: int) -> None:
    barrier = threading.Barrier(slots)

    @task
    def parent(context: Context) -> None:
        barrier.wait(20)
        context["rows"] = runner.execute(CHILD).context["rows"]

    with Runner("sqlite://", max_concurrent_tasks=slots) as runner:
        executions = runner.submit_many(Workflow("parent", tasks=[parent]), [None] * slots)
        results = [execution.wait() for execution in executions]
    assert [result.error.code for result in results if result.error is not None] == ["CLO-1310"]
    assert [result.context for result in results if result.error is None] == [{"rows": 3}] * (slots - 1)


async def test_with_a_slot_to_spare_they_are_served_and_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    @task
    async def parent(context: Context) -> None:
        context["rows"] = (await runner.execute(CHILD)).context["rows"]

    async with AsyncRunner("sqlite://", max_concurrent_tasks=4) as runner:
        executions = await runner.submit_many(Workflow("parent", tasks=[parent]), [None] * 3)
        assert [(await execution.wait()).context for execution in executions] == [{"rows": 3}] * 3
    assert [record.getMessage()[:30] for record in caplog.records if record.levelno >= logging.WARNING] == [
        "task 'parent' keeps its slot w"
    ]


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_a_slot_that_is_given_back_while_waiting_serves_what_is_waited_for(kind: str) -> None:
    @task(id="parent")
    async def parent(context: Context, handle: TaskHandle) -> None:
        execution = await runner.submit(CHILD)
        await handle.defer_until(lambda: execution.is_over, poll_interval_ms=1)
        context["rows"] = (await execution.wait()).context["rows"]

    @task(id="parent")
    def parent_in_a_thread(context: Context, handle: BlockingTaskHandle) -> None:
        execution = blocking.submit(CHILD)
        handle.defer_until(lambda: execution.is_over, poll_interval_ms=1)
        context["rows"] = execution.wait().context["rows"]

    if kind == "def":
        with Runner("sqlite://", max_concurrent_tasks=1) as blocking:
            assert blocking.execute(Workflow("parent", tasks=[parent_in_a_thread])).context == {"rows": 3}
    else:
        async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
            assert (await runner.execute(Workflow("parent", tasks=[parent]))).context == {"rows": 3}


async def test_a_task_that_gives_its_slot_back_beside_its_wait_is_not_refused() -> None:
    results: list[dict[str, object]] = []

    @task
    async def parent(context: Context, handle: TaskHandle) -> None:
        async def wait_for_child() -> None:
            results.append((await runner.execute(CHILD)).context)

        async with anyio.create_task_group() as group:
            group.start_soon(wait_for_child)
            await anyio.wait_all_tasks_blocked()
            await handle.defer_until(lambda: bool(results), poll_interval_ms=1)

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        (await runner.execute(Workflow("parent", tasks=[parent]))).raise_for_status()
    assert results == [{"rows": 3}]


async def test_a_task_that_could_give_its_slot_back_and_does_not_is_refused_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nested_waits, "_SECONDS_BETWEEN_LOOKS", 0.01)

    @task
    async def parent(context: Context, handle: TaskHandle) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(runner.execute, CHILD)

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = await runner.execute(Workflow("parent", tasks=[parent]))
        assert result.error is not None
        assert "would keep its slot while it waits" in result.error.message
        # Its own execution goes on.
        (child,) = await runner.executions(workflow="child")
        assert (await runner.wait(child.id)).status is ExecutionStatus.COMPLETED


@pytest.mark.parametrize("circle", ["itself", "one that waits for it"])
async def test_a_task_is_refused_to_wait_for_what_waits_for_it(circle: str) -> None:
    first_waits, second_is_there = anyio.Event(), anyio.Event()
    executions: list[Execution] = []

    @task
    async def first(context: Context) -> None:
        await second_is_there.wait()
        first_waits.set()
        await executions[-1].wait()

    @task
    async def second(context: Context) -> None:
        await first_waits.wait()
        await anyio.wait_all_tasks_blocked()
        await executions[0].wait()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=4) as runner:
        executions.append(await runner.submit(Workflow("first", tasks=[first])))
        if circle != "itself":
            executions.append(await runner.submit(Workflow("second", tasks=[second])))
        second_is_there.set()
        results = [await execution.wait() for execution in executions]
    assert [result.error.code if result.error else None for result in results] == (
        ["CLO-1310"] if circle == "itself" else [None, "CLO-1310"]
    )


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_a_task_is_refused_to_leave_the_runner_that_runs_it(kind: str) -> None:
    @task(id="leaves")
    async def leaves(context: Context) -> None:
        await runner.__aexit__(None, None, None)

    @task(id="leaves")
    def leaves_in_a_thread(context: Context) -> None:
        blocking.__exit__(None, None, None)

    if kind == "def":
        with Runner("sqlite://") as blocking:
            result = blocking.execute(Workflow("leaves", tasks=[leaves_in_a_thread]))
            assert blocking.execute(CHILD).status is ExecutionStatus.COMPLETED
    else:
        async with AsyncRunner("sqlite://") as runner:
            result = await runner.execute(Workflow("leaves", tasks=[leaves]))
            assert (await runner.execute(CHILD)).status is ExecutionStatus.COMPLETED
    assert result.error is not None
    assert result.error.code == "CLO-1310"


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_virtual_time_passes_while_a_task_does_nothing_but_wait_for_another_execution(kind: str) -> None:
    clock = VirtualClock()
    opening = clock.now() + timedelta(days=3)

    @task
    async def waits(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(lambda: clock.now() >= opening, poll_interval_ms=3_600_000)

    slow = Workflow("slow", tasks=[waits])

    @task(id="parent")
    async def parent(context: Context) -> None:
        execution = await runner.submit(slow)
        with pytest.raises(TimeoutError):
            await execution.wait(timeout=3600)
        context["status"] = (await execution.wait()).status

    @task(id="parent")
    def parent_in_a_thread(context: Context) -> None:
        execution: BlockingExecution = blocking.submit(slow)
        with pytest.raises(TimeoutError):
            execution.wait(timeout=3600)
        context["status"] = execution.wait().status

    if kind == "def":
        with Runner("sqlite://", max_concurrent_tasks=2, clock=clock) as blocking:
            result = blocking.execute(Workflow("parent", tasks=[parent_in_a_thread]))
    else:
        async with AsyncRunner("sqlite://", max_concurrent_tasks=2, clock=clock) as runner:
            result = await runner.execute(Workflow("parent", tasks=[parent]))
    assert result.raise_for_status().context == {"status": "Completed"}
    assert clock.elapsed == timedelta(days=3)
