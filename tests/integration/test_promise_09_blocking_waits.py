"""Promise 9: a blocking wait keeps its thread but no slot, within the engine's own limit."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from cloacina import AsyncRunner, BlockingTaskHandle, Context, WaitTimeout, Workflow, task
from cloacina.handle import RAISE
from cloacina.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import Bodies, Deferring, Until, UntilWait


async def test_a_blocking_wait_keeps_its_thread(deferring: Deferring, until_wait: UntilWait) -> None:
    is_open = threading.Event()
    threads: list[int] = []

    @task
    def wait(context: Context, handle: BlockingTaskHandle) -> None:
        threads.append(threading.get_ident())
        handle.defer_until(is_open.is_set, poll_interval_ms=1)
        threads.append(threading.get_ident())

    @task
    def other(context: Context) -> None:
        threads.append(threading.get_ident())

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[wait]))
        await until_wait(runner, execution)
        (await runner.execute(Workflow("others", tasks=[other]))).raise_for_status()
        is_open.set()
        (await execution.wait()).raise_for_status()
    first, of_other, second = threads
    assert first == second != of_other


async def test_far_more_blocking_waits_than_the_library_has_threads(deferring: Deferring, until: Until) -> None:
    count = 120
    is_open = threading.Event()
    workflow = Workflow("waits", tasks=[deferring("def", "wait", is_open.is_set)])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=4) as runner:
        executions = await runner.submit_many(workflow, [None] * count)

        async def all_wait() -> bool:
            return len(await runner.waits(phase="waiting")) == count

        await until(all_wait)
        # Nobody else's threads are used up.
        assert anyio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
        is_open.set()
        for execution in executions:
            (await execution.wait()).raise_for_status()


async def test_a_wait_beyond_max_blocking_waits_keeps_its_slot_until_another_has_ended(
    deferring: Deferring, until: Until, until_wait: UntilWait
) -> None:
    gates = [threading.Event() for _ in range(3)]
    held: list[Callable[[], bool]] = []

    @task
    def third(context: Context, handle: BlockingTaskHandle) -> None:
        held.append(handle.is_slot_held)
        handle.defer_until(gates[2].is_set, poll_interval_ms=1)

    async with AsyncRunner("sqlite://", max_concurrent_tasks=4, max_blocking_waits=2) as runner:
        parked = [
            await runner.submit(Workflow(f"wait_{number}", tasks=[deferring("def", "wait", gates[number].is_set)]))
            for number in range(2)
        ]
        for execution in parked:
            await until_wait(runner, execution)
        beyond = await runner.submit(Workflow("third", tasks=[third]))
        await until(lambda: held)
        assert held[0]()
        assert await runner.waits(beyond.id) == []
        gates[0].set()
        (await parked[0].wait()).raise_for_status()
        await until_wait(runner, beyond)
        assert not held[0]()
        for gate in gates:
            gate.set()


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("last", "default", "expected"),
    [(False, "late", "late"), ("just in time", "late", "just in time"), (False, RAISE, WaitTimeout)],
)
async def test_the_time_of_a_wait_bounds_the_wait_for_a_place(
    last: object, default: object, expected: object, is_async: bool, deferring: Deferring, until: Until,
    until_wait: UntilWait,
) -> None:  # fmt: skip
    clock = VirtualClock(auto=False)
    is_open = threading.Event()
    answers = iter([False, last])

    async def condition_async() -> object:
        return next(answers)

    condition = condition_async if is_async else lambda: next(answers)
    late = deferring("def", "wait", condition, poll_interval_ms=3_600_000, timeout=60, default=default)
    parks = Workflow("parks", tasks=[deferring("def", "wait", is_open.is_set)])
    async with AsyncRunner("sqlite://", max_blocking_waits=1, clock=clock) as runner:
        resources = runner._engine._resources
        first = await runner.submit(parks)
        await until_wait(runner, first)
        beyond = await runner.submit(Workflow("late", tasks=[late]))
        await until(lambda: resources.places._wanting)
        clock.advance(59)
        await clock.settled()
        assert not (await runner.tasks(beyond.id))[0].status.is_final
        clock.advance(1.1)  # A timer may be late by 20 ms.
        result = await beyond.wait()
        assert await runner.waits(beyond.id) == []  # It kept its slot, and was never deferred.
        if expected is WaitTimeout:
            assert result.error is not None
            assert result.error.code == WaitTimeout.code
        else:
            assert result.raise_for_status().context == {"wait": expected}
        # The place is the first one's still, and then there for others.
        second = await runner.submit(parks)
        await until(lambda: resources.places._wanting)
        is_open.set()
        for _ in range(20):
            clock.advance(0.1)
            await clock.settled()
        for execution in (first, second):
            (await execution.wait()).raise_for_status()
        assert resources.slots.available == 4


@pytest.mark.parametrize("slots", [1, 2, 3])
@pytest.mark.parametrize("places", [1, 2])
async def test_more_waiters_than_max_blocking_waits_all_come_through(
    slots: int, places: int, deferring: Deferring
) -> None:
    # Those who hold a slot and want a place must not wait for ever for those who hold a place and want a slot.
    answers = iter([False, True] * 200)
    lock = threading.Lock()

    def condition() -> bool:
        with lock:
            return next(answers)

    workflow = Workflow("waits", tasks=[deferring("def", f"wait_{number}", condition) for number in range(4)])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=slots, max_blocking_waits=places) as runner:
        executions = await runner.submit_many(workflow, [None] * 10)
        for execution in executions:
            (await execution.wait(timeout=20)).raise_for_status()


@pytest.mark.parametrize(("slots", "places"), [(1, 1), (2, 3)])
async def test_no_more_threads_than_slots_and_places(slots: int, places: int, bodies: Bodies) -> None:
    # Though those who go on stand behind all who have not begun.
    @task
    def wait(context: Context, handle: BlockingTaskHandle) -> None:
        answers = iter([False, True])
        with bodies.inside():
            handle.defer_until(lambda: next(answers), poll_interval_ms=1)

    async with AsyncRunner("sqlite://", max_concurrent_tasks=slots, max_blocking_waits=places) as runner:
        for execution in await runner.submit_many(Workflow("waits", tasks=[wait]), [None] * 40):
            (await execution.wait(timeout=20)).raise_for_status()
    assert bodies.most <= slots + places


async def test_a_waiter_without_a_place_and_one_without_a_slot_exchange_them(
    deferring: Deferring, until: Until, until_wait: UntilWait
) -> None:
    journal: list[str] = []
    first_gate, second_gate, may_wait = threading.Event(), threading.Event(), threading.Event()

    @task
    def second(context: Context, handle: BlockingTaskHandle) -> None:
        journal.append("second starts")
        may_wait.wait(20)
        handle.defer_until(second_gate.is_set, poll_interval_ms=1)
        journal.append("second goes on")

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, max_blocking_waits=1) as runner:
        one = await runner.submit(Workflow("one", tasks=[deferring("def", "first", first_gate.is_set, journal)]))
        await until_wait(runner, one)
        two = await runner.submit(Workflow("two", tasks=[second]))
        await until(lambda: "second starts" in journal)
        first_gate.set()
        await until_wait(runner, one, "resuming")
        may_wait.set()
        (await one.wait(timeout=20)).raise_for_status()
        await until_wait(runner, two)
        second_gate.set()
        (await two.wait(timeout=20)).raise_for_status()
    assert journal == ["first starts", "second starts", "first goes on", "second goes on"]


async def test_cancelling_waiters_gives_their_places_back(deferring: Deferring, until: Until) -> None:
    stuck = Workflow("stuck", tasks=[deferring("def", f"wait_{number}", lambda: False) for number in range(4)])
    answers = iter([False, True, False, True])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=2, max_blocking_waits=2) as runner:
        for _ in range(3):
            execution = await runner.submit(stuck)

            async def two_wait(execution_id: str = execution.id) -> bool:
                return len(await runner.waits(execution_id, phase="waiting")) == 2

            await until(two_wait)
            await execution.cancel()
            assert (await execution.wait(timeout=20)).status == "Cancelled"
        through = Workflow("through", tasks=[deferring("def", "wait", lambda: next(answers))])
        for _ in range(2):
            result = await (await runner.submit(through)).wait(timeout=20)
            result.raise_for_status()
