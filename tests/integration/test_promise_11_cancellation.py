"""Promise 11: cancellation ends a wait at once, and leaves the count of slots exact."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    Context,
    Execution,
    RetryPolicy,
    TaskCancelled,
    TaskHandle,
    Workflow,
    task,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.integration.conftest import Deferring, Until, UntilWait

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])
_AN_HOUR = 3_600_000


@pytest.fixture
async def runner() -> AsyncIterator[AsyncRunner]:
    """Return a runner of one slot, and check in the end that the slot has come back."""
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        yield runner

        @task
        def serve(context: Context) -> None:
            context["served"] = True

        result = await (await runner.submit(Workflow("serves", tasks=[serve]))).wait(timeout=20)
        assert result.context == {"served": True}


@_BOTH_KINDS
async def test_a_wait_ends_at_once(kind: str, runner: AsyncRunner, deferring: Deferring, until_wait: UntilWait) -> None:
    workflow = Workflow("waits", tasks=[deferring(kind, "wait", lambda: False, poll_interval_ms=_AN_HOUR)])
    execution = await runner.submit(workflow)
    await until_wait(runner, execution)
    assert await execution.cancel()
    result = await execution.wait(timeout=20)
    assert (result.status, result.error) == ("Cancelled", None)
    assert (result.tasks["wait"].status, result.tasks["wait"].sub_status) == ("Cancelled", None)
    await until_wait(runner, execution, "ended")
    (wait,) = await runner.waits(execution.id)
    assert wait.outcome == "cancelled"
    assert wait.ended_at is not None


async def test_a_parked_thread_is_told_at_once(runner: AsyncRunner, until: Until, until_wait: UntilWait) -> None:
    told: list[str] = []

    @task
    def wait(context: Context, handle: BlockingTaskHandle) -> None:
        try:
            handle.defer_until(lambda: False, poll_interval_ms=_AN_HOUR)
        except TaskCancelled:
            told.append("cancelled")
            raise

    execution = await runner.submit(Workflow("waits", tasks=[wait]))
    await until_wait(runner, execution)
    await execution.cancel()
    assert (await execution.wait(timeout=20)).status == "Cancelled"
    await until(lambda: told == ["cancelled"])


@_BOTH_KINDS
async def test_a_queued_reclaim_is_removed(
    kind: str, runner: AsyncRunner, deferring: Deferring, until_wait: UntilWait
) -> None:
    is_open = threading.Event()
    occupies, occupant_is_open = anyio.Event(), anyio.Event()
    journal: list[str] = []

    @task
    async def occupy(context: Context) -> None:
        occupies.set()
        await occupant_is_open.wait()

    waiting = await runner.submit(Workflow("waits", tasks=[deferring(kind, "wait", is_open.is_set, journal)]))
    await until_wait(runner, waiting)
    occupant = await runner.submit(Workflow("occupies", tasks=[occupy]))
    await occupies.wait()
    is_open.set()
    await until_wait(runner, waiting, "resuming")
    await waiting.cancel()
    assert (await waiting.wait(timeout=20)).status == "Cancelled"
    occupant_is_open.set()
    (await occupant.wait(timeout=20)).raise_for_status()
    assert journal == ["wait starts"]


async def test_a_grant_that_races_a_cancel_is_given_back(runner: AsyncRunner, until_wait: UntilWait) -> None:
    is_open = threading.Event()
    held: list[bool] = []
    occupies, may_release = anyio.Event(), anyio.Event()
    targets: list[Execution] = []

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        try:
            await handle.defer_until(is_open.is_set, poll_interval_ms=1)
        finally:
            held.append(handle.is_slot_held())

    @task
    async def occupy(context: Context, handle: TaskHandle) -> None:
        token = handle.into_slot_token()
        occupies.set()
        await may_release.wait()
        # The slot goes to the one that resumes, which is cancelled before it has its turn.
        token.release()
        await targets[0].cancel()

    waiting = await runner.submit(Workflow("waits", tasks=[wait]))
    targets.append(waiting)
    await until_wait(runner, waiting)
    occupant = await runner.submit(Workflow("occupies", tasks=[occupy]))
    await occupies.wait()
    is_open.set()
    await until_wait(runner, waiting, "resuming")
    may_release.set()
    (await occupant.wait(timeout=20)).raise_for_status()
    assert (await waiting.wait(timeout=20)).status == "Cancelled"
    assert held == [False]


@_BOTH_KINDS
async def test_a_task_in_the_queue_never_starts(kind: str, runner: AsyncRunner, deferring: Deferring) -> None:
    occupies, occupant_is_open = anyio.Event(), anyio.Event()
    journal: list[str] = []

    @task
    async def occupy(context: Context) -> None:
        occupies.set()
        await occupant_is_open.wait()

    await runner.submit(Workflow("occupies", tasks=[occupy]))
    await occupies.wait()
    queued = await runner.submit(Workflow("queued", tasks=[deferring(kind, "wait", lambda: True, journal)]))
    await queued.cancel()
    result = await queued.wait(timeout=20)
    assert (result.status, result.tasks["wait"].status, result.tasks["wait"].attempt) == ("Cancelled", "Cancelled", 1)
    assert result.tasks["wait"].started_at is None
    occupant_is_open.set()
    assert journal == []


async def test_a_cancelled_execution_leaves_no_timer_of_a_retry_behind(runner: AsyncRunner, until: Until) -> None:
    @task(retry=RetryPolicy(attempts=2, delay=timedelta(days=1)))
    async def fail(context: Context) -> None:
        raise OSError

    execution = await runner.submit(Workflow("fails", tasks=[fail]))
    timers = runner._engine._resources.timers
    await until(lambda: len(timers) == 1)
    await execution.cancel()
    assert (await execution.wait()).status == "Cancelled"
    assert len(timers) == 0


async def test_a_running_async_task_is_cancelled_where_it_awaits(runner: AsyncRunner) -> None:
    runs = anyio.Event()
    seen: list[str] = []

    @task
    async def work(context: Context) -> None:
        context["half"] = True
        try:
            runs.set()
            await anyio.sleep_forever()
        finally:
            seen.append("cleaned up")

    @task(dependencies=[work])
    async def never(context: Context) -> None:
        seen.append("never")

    execution = await runner.submit(Workflow("works", tasks=[work, never]), {"initial": 1})
    await runs.wait()
    await execution.cancel()
    result = await execution.wait(timeout=20)
    assert seen == ["cleaned up"]
    assert result.status == "Cancelled"
    assert {name: record.status for name, record in result.tasks.items()} == {
        "work": "Cancelled",
        "never": "Cancelled",
    }
    assert result.context == {"initial": 1}


async def test_an_execution_ends_when_its_async_bodies_have_cleaned_up(runner: AsyncRunner, until: Until) -> None:
    runs, cleans_up, may_end = anyio.Event(), anyio.Event(), anyio.Event()

    @task
    async def work(context: Context) -> None:
        try:
            runs.set()
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                cleans_up.set()
                await may_end.wait()

    execution = await runner.submit(Workflow("works", tasks=[work]))
    await runs.wait()
    await execution.cancel()
    await cleans_up.wait()
    (record,) = await runner.executions()
    assert record.status == "Running"
    may_end.set()
    assert (await execution.wait(timeout=20)).status == "Cancelled"


async def test_what_was_completed_before_a_cancel_stays(runner: AsyncRunner, until_wait: UntilWait) -> None:
    @task
    def first(context: Context) -> None:
        context["first"] = "done"

    @task(dependencies=[first])
    async def second(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(lambda: False, poll_interval_ms=1)

    execution = await runner.submit(Workflow("chain", tasks=[first, second]))
    await until_wait(runner, execution)
    await execution.cancel()
    result = await execution.wait(timeout=20)
    assert (result.status, result.context) == ("Cancelled", {"first": "done"})
    assert result.tasks["first"].status == "Completed"


@_BOTH_KINDS
async def test_cancelling_before_anything_has_started(kind: str, runner: AsyncRunner) -> None:
    started: set[int] = set()

    @task(id="async")
    async def work(context: Context) -> None:
        started.add(context["number"])

    @task(id="blocking")
    def blocking_work(context: Context) -> None:
        started.add(context["number"])

    workflow = Workflow("works", tasks=[work if kind == "async def" else blocking_work])
    executions = await runner.submit_many(workflow, [{"number": number} for number in range(20)])
    for execution in executions[1:]:
        await execution.cancel()
    results = [await execution.wait(timeout=20) for execution in executions]
    assert {result.status for result in results} <= {"Completed", "Cancelled"}
    # A body that has begun when it is cancelled may run to its end, and is reported as cancelled all the same.
    completed = {number for number, result in enumerate(results) if result.status == "Completed"}
    recorded = {
        number
        for number, result in enumerate(results)
        if any(record.started_at is not None for record in result.tasks.values())
    }
    assert 0 in completed
    assert completed <= started <= recorded


@_BOTH_KINDS
async def test_cancelling_many_waits_leaves_nothing_behind(
    kind: str, runner: AsyncRunner, deferring: Deferring, until: Until
) -> None:
    workflow = Workflow("waits", tasks=[deferring(kind, "wait", lambda: False, poll_interval_ms=1)])
    executions = await runner.submit_many(workflow, [None] * 100)

    async def all_wait() -> bool:
        return len(await runner.waits(phase="waiting")) == len(executions)

    await until(all_wait)
    for execution in executions:
        await execution.cancel()
    assert {(await execution.wait(timeout=20)).status for execution in executions} == {"Cancelled"}

    async def all_have_ended() -> bool:
        waits = await runner.waits()
        return {(wait.phase, wait.outcome) for wait in waits} == {("ended", "cancelled")}

    await until(all_have_ended)


async def test_cancelling_twice_and_after_the_end(runner: AsyncRunner, until_wait: UntilWait) -> None:
    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(lambda: False, poll_interval_ms=1)

    execution = await runner.submit(Workflow("waits", tasks=[wait]))
    await until_wait(runner, execution)
    assert await execution.cancel()
    await execution.cancel()
    assert (await execution.wait(timeout=20)).status == "Cancelled"
    assert not await execution.cancel()
    assert not await runner.cancel(execution.id)
