"""A runner in virtual time: time jumps when nothing else can happen, and stands still while anything can."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    Context,
    RetryPolicy,
    TaskHandle,
    Workflow,
    task,
)
from cloacina.execution.waiting.conditions import ConditionThreads
from cloacina.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Until

HOUR_MS = 3_600_000
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)

kinds = pytest.mark.parametrize("kind", ["def", "async def"])


def waiting(
    kind: str, condition: Callable[[], Any], *, name: str = "wait", retry: RetryPolicy | None = None, **options: Any
) -> Any:
    """Return a task that defers once; the context gets what came of it, under the task's name."""
    options = {"poll_interval_ms": HOUR_MS, **options}

    async def wait(context: Context, handle: TaskHandle) -> None:
        context[name] = await handle.defer_until(condition, **options)

    def wait_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        context[name] = handle.defer_until(condition, **options)

    decorate = task(id=name) if retry is None else task(id=name, retry=retry)
    return decorate(wait if kind == "async def" else wait_blocking)


# ── Time passes ──────────────────────────────────────────────────────────────────────────────────────────────────────


@kinds
@pytest.mark.parametrize("has_async_condition", [False, True])
async def test_three_days_of_hourly_polls_pass_at_once(kind: str, has_async_condition: bool) -> None:
    clock = VirtualClock(max_jumps=200)
    asked: list[timedelta] = []

    def condition() -> bool:
        asked.append(clock.elapsed)
        return len(asked) == 73

    async def async_condition() -> bool:
        await anyio.lowlevel.checkpoint()
        return condition()

    workflow = Workflow("days", tasks=[waiting(kind, async_condition if has_async_condition else condition)])
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        result = (await runner.execute(workflow)).raise_for_status()
        (wait,) = await runner.waits(result.id)
    assert asked == [hour * HOUR for hour in range(73)]
    assert clock.elapsed == timedelta(days=3)
    assert wait.polls == 73
    assert wait.ended_at is not None
    assert (wait.started_at, wait.ended_at) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC))


@kinds
@pytest.mark.parametrize("limit", [{"timeout": 5 * HOUR}, {"deadline": datetime(2026, 1, 1, 5, tzinfo=UTC)}])
async def test_time_limits_come_on_time(kind: str, limit: dict[str, Any]) -> None:
    clock = VirtualClock()
    workflow = Workflow(
        "late", tasks=[waiting(kind, lambda: False, poll_interval_ms=7_000_000, default="late", **limit)]
    )
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        result = await runner.execute(workflow)
    assert result.context == {"wait": "late"}
    assert clock.elapsed == 5 * HOUR


@kinds
async def test_delays_of_retries_pass_at_once(kind: str) -> None:
    clock = VirtualClock()
    moments: list[timedelta] = []

    def fail() -> None:
        moments.append(clock.elapsed)
        raise ConnectionError

    @task(retry=RetryPolicy(attempts=4, delay=60, backoff="exponential"))
    def blocking(context: Context) -> None:
        fail()

    @task(retry=RetryPolicy(attempts=4, delay=60, backoff="exponential"))
    async def on_the_loop(context: Context) -> None:
        fail()

    async with AsyncRunner("sqlite://", clock=clock) as runner:
        await runner.execute(Workflow("x", tasks=[blocking if kind == "def" else on_the_loop]))
    assert moments == [timedelta(seconds=seconds) for seconds in (0, 60, 180, 420)]


async def test_a_clock_goes_on_where_it_was_with_another_runner(tmp_path: Path) -> None:
    clock = VirtualClock()
    for days in (1, 2):
        workflow = Workflow("days", tasks=[waiting("def", lambda days=days: clock.elapsed >= timedelta(days=days))])  # type: ignore[misc]
        async with AsyncRunner(tmp_path / "days.db", clock=clock) as runner:
            (await runner.execute(workflow)).raise_for_status()
        assert clock.elapsed == timedelta(days=days)


async def test_two_runners_on_one_loop_share_a_clock() -> None:
    clock = VirtualClock()
    order: list[str] = []

    def until(name: str, hours: int) -> Callable[[], bool]:
        def is_time() -> bool:
            order.append(name)
            return clock.elapsed >= hours * HOUR

        return is_time

    async with AsyncRunner("sqlite://", clock=clock) as first, AsyncRunner("sqlite://", clock=clock) as second:
        slow = await first.submit(
            Workflow("slow", tasks=[waiting("def", until("slow", 4), poll_interval_ms=2 * HOUR_MS)])
        )
        quick = await second.submit(Workflow("quick", tasks=[waiting("async def", until("quick", 3))]))
        await slow.wait()
        await quick.wait()
    assert clock.elapsed == 4 * HOUR
    assert sorted(order[:2]) == ["quick", "slow"]
    assert [order[2], sorted(order[3:5]), *order[5:]] == ["quick", ["quick", "slow"], "quick", "slow"]


@pytest.mark.parametrize("database", ["sqlite://", "file"])
async def test_things_happen_in_the_same_order_each_time(database: str, tmp_path: Path) -> None:
    async def story(seed: int, number: int) -> list[tuple[str, int, timedelta]]:
        random, clock = Random(seed), VirtualClock()
        seen: list[tuple[str, int, timedelta]] = []

        def make(name: str) -> Any:
            polls, interval = random.randint(1, 6), random.choice([1000, 1500, 60_000])
            count = 0

            def condition() -> bool:
                nonlocal count
                count += 1
                seen.append((name, count, clock.elapsed))
                return count == polls

            async def async_condition() -> bool:
                return condition()

            kind = random.choice(["def", "async def"])
            chosen = random.choice([condition, async_condition])
            return waiting(kind, chosen, name=name, poll_interval_ms=interval)

        workflow = Workflow("story", tasks=[make(f"task_{index}") for index in range(12)])
        path = database if database != "file" else tmp_path / f"{number}.db"
        async with AsyncRunner(path, max_concurrent_tasks=2, clock=clock) as runner:
            (await runner.execute(workflow)).raise_for_status()
        # Threads that are due at the same moment are called in no particular order.
        return sorted(seen, key=lambda event: (event[2], event[0]))

    stories = [await story(7, number) for number in range(3)]
    assert stories[0] == stories[1] == stories[2]
    assert len({event[0] for event in stories[0]}) == 12


# ── Time stands still ────────────────────────────────────────────────────────────────────────────────────────────────


async def a_while(clock: VirtualClock) -> None:
    """Give the loop and its threads every occasion to move time wrongly."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()
        await anyio.to_thread.run_sync(threading.Event().is_set)
    await anyio.sleep(0.02)


@kinds
async def test_time_stands_still_while_a_body_runs(kind: str, until: Until) -> None:
    clock, go_on, is_running = VirtualClock(), threading.Event(), threading.Event()
    seen: list[timedelta] = []

    @task
    def blocking(context: Context) -> None:
        seen.append(clock.elapsed)
        is_running.set()
        go_on.wait()
        seen.append(clock.elapsed)

    @task
    async def on_the_loop(context: Context) -> None:
        seen.append(clock.elapsed)
        is_running.set()
        await anyio.to_thread.run_sync(go_on.wait)
        seen.append(clock.elapsed)

    working = blocking if kind == "def" else on_the_loop
    workflow = Workflow("x", tasks=[waiting("async def", lambda: clock.elapsed >= HOUR), working])
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(workflow)
        await until(is_running.is_set)
        await a_while(clock)
        assert clock.elapsed == timedelta(0)
        go_on.set()
        await execution.wait()
    assert seen == [timedelta(0)] * 2
    assert clock.elapsed == HOUR


@pytest.mark.parametrize("is_async", [False, True])
async def test_time_stands_still_while_a_condition_is_called(is_async: bool, until: Until) -> None:
    clock, go_on = VirtualClock(), threading.Event()
    calls: list[timedelta] = []

    def condition() -> bool:
        calls.append(clock.elapsed)
        if len(calls) == 2:
            go_on.wait()
        return len(calls) == 3

    async def async_condition() -> bool:
        calls.append(clock.elapsed)
        if len(calls) == 2:
            await anyio.to_thread.run_sync(go_on.wait)
        return len(calls) == 3

    other = waiting("async def", lambda: clock.elapsed >= 9 * HOUR, name="other")
    workflow = Workflow("x", tasks=[waiting("async def", async_condition if is_async else condition), other])
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(workflow)
        await until(lambda: len(calls) == 2)
        await a_while(clock)
        assert clock.elapsed == HOUR
        go_on.set()
        await execution.wait()
    assert calls == [timedelta(0), HOUR, 2 * HOUR]


@kinds
async def test_time_stands_still_while_a_body_works_without_its_slot(kind: str, until: Until) -> None:
    clock, go_on, is_released = VirtualClock(), threading.Event(), threading.Event()

    @task
    def blocking(context: Context, handle: BlockingTaskHandle) -> None:
        handle.into_slot_token().release()
        is_released.set()
        go_on.wait()

    @task
    async def on_the_loop(context: Context, handle: TaskHandle) -> None:
        handle.into_slot_token().release()
        is_released.set()
        await anyio.to_thread.run_sync(go_on.wait)

    working = blocking if kind == "def" else on_the_loop
    workflow = Workflow("x", tasks=[waiting("async def", lambda: clock.elapsed >= HOUR), working])
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(workflow)
        await until(is_released.is_set)
        await a_while(clock)
        assert clock.elapsed == timedelta(0)
        go_on.set()
        await execution.wait()


@kinds
async def test_time_stands_still_while_a_cancelled_body_cleans_up(kind: str, until: Until) -> None:
    clock, go_on, is_cleaning = VirtualClock(), threading.Event(), threading.Event()

    @task
    def blocking(context: Context, handle: BlockingTaskHandle) -> None:
        try:
            handle.defer_until(lambda: False, poll_interval_ms=HOUR_MS)
        finally:
            is_cleaning.set()
            go_on.wait()

    @task
    async def on_the_loop(context: Context, handle: TaskHandle) -> None:
        try:
            await handle.defer_until(lambda: False, poll_interval_ms=HOUR_MS)
        finally:
            is_cleaning.set()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(go_on.wait)

    cancelled = Workflow("cancelled", tasks=[blocking if kind == "def" else on_the_loop])
    other = Workflow("other", tasks=[waiting("async def", lambda: clock.elapsed >= 9 * HOUR)])
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(cancelled)
        await clock.settled()
        await execution.cancel()
        await runner.submit(other)
        await until(is_cleaning.is_set)
        await a_while(clock)
        assert clock.elapsed == timedelta(0)
        go_on.set()
    assert clock.elapsed == 9 * HOUR


async def test_time_does_not_move_under_a_test_that_has_something_to_do() -> None:
    clock = VirtualClock()
    workflow = Workflow("x", tasks=[waiting("async def", lambda: clock.elapsed >= HOUR)])
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        first = await runner.submit(workflow)
        for _ in range(20):
            time.sleep(0.03)  # noqa: ASYNC251 - a step may take long, as on a busy machine
            await anyio.lowlevel.checkpoint()
        await runner.events(first.id)
        await runner.submit_many(workflow, [None] * 1200)
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        assert await runner.waits(first.id)
        assert clock.elapsed == timedelta(0)


async def test_time_goes_on_after_a_query() -> None:
    clock, resumed = VirtualClock(), anyio.Event()

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(lambda: clock.elapsed >= HOUR, poll_interval_ms=HOUR_MS)
        resumed.set()

    async with AsyncRunner("sqlite://", clock=clock) as runner:
        await runner.submit(Workflow("x", tasks=[wait]))
        await clock.settled()
        assert await runner.waits()
        with anyio.fail_after(20):
            await resumed.wait()


async def test_time_goes_on_when_answers_are_fetched_from_a_thread_before_it_posts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = VirtualClock()
    workflow = Workflow("x", tasks=[waiting("async def", lambda: clock.elapsed >= 8 * SECOND, poll_interval_ms=1000)])
    monkeypatch.setattr(ConditionThreads, "_hand_back", lambda self: None)
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        with anyio.fail_after(20):
            await runner.execute(workflow)
    assert clock.elapsed == 8 * SECOND


async def test_a_looking_test_does_not_hold_time_up() -> None:
    clock = VirtualClock()
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        await runner.submit(Workflow("x", tasks=[waiting("async def", lambda: clock.elapsed >= HOUR)]))
        with anyio.fail_after(20):
            while clock.elapsed < HOUR:
                await anyio.lowlevel.checkpoint()


# ── By hand, and bounded ─────────────────────────────────────────────────────────────────────────────────────────────


@kinds
async def test_a_test_lets_time_pass_and_looks_around(kind: str) -> None:
    clock = VirtualClock()
    workflow = Workflow("x", tasks=[waiting(kind, lambda: False)])
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(workflow)
        await clock.settled()
        (wait,) = await runner.waits()
        assert (wait.polls, clock.elapsed) == (1, timedelta(0))
        await clock.sleep(2.5 * HOUR)
        (wait,) = await runner.waits()
        assert (wait.polls, clock.elapsed) == (3, 2.5 * HOUR)
        await clock.sleep(0.5 * HOUR)
        (wait,) = await runner.waits()
        assert (wait.polls, clock.elapsed) == (4, 3 * HOUR)
        await execution.cancel()
        await execution.wait()
    assert clock.elapsed == 3 * HOUR


@kinds
async def test_without_auto_time_moves_by_hand_only(kind: str) -> None:
    clock = VirtualClock(auto=False)
    workflow = Workflow("x", tasks=[waiting(kind, lambda: clock.elapsed >= HOUR)])
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(workflow)
        await clock.settled()
        await a_while(clock)
        clock.advance(HOUR - timedelta(seconds=1))
        await clock.settled()
        assert [task.sub_status for task in await runner.tasks(execution.id)] == ["Deferred"]
        clock.advance(1)
        await clock.settled()
        assert [task.status for task in await runner.tasks(execution.id)] == ["Completed"]
    assert clock.elapsed == HOUR


@kinds
async def test_a_task_timeout_passes_by_hand(kind: str, until: Until) -> None:
    clock, is_running, go_on = VirtualClock(), threading.Event(), threading.Event()

    @task(timeout=60)
    def blocking(context: Context) -> None:
        is_running.set()
        go_on.wait()

    @task(timeout=60)
    async def on_the_loop(context: Context) -> None:
        is_running.set()
        await anyio.sleep_forever()

    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(Workflow("x", tasks=[blocking if kind == "def" else on_the_loop]))
        await until(is_running.is_set)
        clock.advance(60)
        result = await execution.wait()
        go_on.set()
    assert result.error is not None
    assert result.error.type.endswith("TaskTimeout")


@kinds
async def test_a_task_that_advances_the_clock_takes_so_long(kind: str) -> None:
    clock = VirtualClock()

    @task
    def blocking(context: Context) -> None:
        clock.advance(HOUR)

    @task
    async def on_the_loop(context: Context) -> None:
        clock.advance(HOUR)

    async with AsyncRunner("sqlite://", clock=clock) as runner:
        result = await runner.execute(Workflow("x", tasks=[blocking if kind == "def" else on_the_loop]))
    (record,) = result.tasks.values()
    assert record.started_at is not None
    assert record.finished_at is not None
    assert record.finished_at - record.started_at == HOUR


async def test_wait_for_an_execution_is_bounded_by_virtual_time() -> None:
    clock = VirtualClock()
    workflow = Workflow("x", tasks=[waiting("async def", lambda: clock.elapsed >= 5 * HOUR)])
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(workflow)
        with pytest.raises(TimeoutError):
            await execution.wait(timeout=2.5 * HOUR)
        assert clock.elapsed == 2.5 * HOUR
        (await execution.wait(timeout=HOUR * 3)).raise_for_status()
    assert clock.elapsed == 5 * HOUR


async def test_wait_without_end_breaks_the_runner_down_with_the_reason() -> None:
    clock = VirtualClock(max_jumps=30)
    workflow = Workflow("x", tasks=[waiting("def", lambda: False), waiting("async def", lambda: False, name="other")])
    with pytest.raises(AssertionError, match="jumped 30 times"):
        async with AsyncRunner("sqlite://", clock=clock) as runner:
            await runner.execute(workflow)
