"""Promise 3: N slots, never more than N bodies outside of waits. N waits open N slots, K waits free K."""

from __future__ import annotations

import threading
from random import Random
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    Context,
    RetryPolicy,
    TaskHandle,
    WaitTimeout,
    Workflow,
    task,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import Bodies, Deferring, Until, UntilWait

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])


@_BOTH_KINDS
async def test_n_waits_open_n_slots(kind: str, deferring: Deferring) -> None:
    slots = 4
    is_open = threading.Event()
    together = threading.Barrier(slots, timeout=20)
    waiting = [deferring(kind, f"wait_{number}", is_open.is_set) for number in range(slots)]

    def meet(context: Context) -> None:
        # Passes only when as many bodies as there are slots run at the same time.
        together.wait()
        is_open.set()

    meeting = [task(id=f"meet_{number}")(_another(meet)) for number in range(slots)]
    async with AsyncRunner("sqlite://", max_concurrent_tasks=slots) as runner:
        first = await runner.submit(Workflow("waits", tasks=waiting))
        (await runner.execute(Workflow("meets", tasks=meeting))).raise_for_status()
        (await first.wait()).raise_for_status()


@_BOTH_KINDS
async def test_k_waits_free_k_slots(kind: str, deferring: Deferring, until: Until) -> None:
    is_open = threading.Event()
    running: set[str] = set()

    def occupy(context: Context) -> None:
        running.add(threading.current_thread().name + str(threading.get_ident()))
        is_open.wait(20)

    waiting = [deferring(kind, f"wait_{number}", is_open.is_set) for number in range(3)]
    occupying = [task(id=f"occupy_{number}")(_another(occupy)) for number in range(9)]
    async with AsyncRunner("sqlite://", max_concurrent_tasks=5) as runner:
        first = await runner.submit(Workflow("waits", tasks=waiting))

        async def all_wait() -> bool:
            return len(await runner.waits(first.id, phase="waiting")) == 3

        await until(all_wait)
        second = await runner.submit(Workflow("occupies", tasks=occupying))
        await until(lambda: len(running) == 5)
        statuses = [record.status for record in await runner.tasks(second.id)]
        assert statuses.count("Running") == 5  # type: ignore[arg-type]
        assert statuses.count("Ready") == 4  # type: ignore[arg-type]
        is_open.set()
        (await first.wait()).raise_for_status()
        (await second.wait()).raise_for_status()


def _another(function: Callable[[Context], None]) -> Callable[[Context], None]:
    def same(context: Context) -> None:
        function(context)

    return same


class _Unruly:
    """Tasks that wait, fail, time out and are cancelled by their own scopes, and count themselves outside of waits."""

    def __init__(self, bodies: Bodies, seed: int) -> None:
        self.bodies = bodies
        self.random = Random(seed)

    def condition(self, chance: float) -> Callable[[], Any]:
        random = Random(self.random.random())

        def roll() -> bool:
            if random.random() < 0.1:
                raise OSError("the dice fell off the table")
            return random.random() < chance

        return roll

    def task(self, number: int) -> Callable[..., object]:
        retry = RetryPolicy(attempts=2, delay=0)
        condition = self.condition(0.2)
        is_impatient = self.random.random() < 0.3
        options: dict[str, Any] = {
            "poll_interval_ms": 1,
            "timeout": 0.004 if self.random.random() < 0.3 else None,
            "tolerate_errors": self.random.choice([0, 5]),
        }

        async def wait(context: Context, handle: TaskHandle) -> None:
            for _ in range(3):
                with self.bodies.inside():
                    await anyio.lowlevel.checkpoint()
                if is_impatient:
                    with anyio.move_on_after(0.003):
                        await handle.defer_until(condition, **options)
                else:
                    await handle.defer_until(condition, **options)
            with self.bodies.inside():
                await anyio.lowlevel.checkpoint()

        def wait_blocking(context: Context, handle: BlockingTaskHandle) -> None:
            for _ in range(3):
                with self.bodies.inside():
                    pass
                try:
                    handle.defer_until(condition, **options)
                except WaitTimeout:
                    with self.bodies.inside():
                        raise
            with self.bodies.inside():
                pass

        kind = wait if self.random.random() < 0.5 else wait_blocking
        return task(id=f"task_{number}", retry=retry)(kind)


@pytest.mark.parametrize("seed", range(3))
async def test_never_more_than_n_bodies_run_outside_of_waits(bodies: Bodies, seed: int) -> None:
    unruly = _Unruly(bodies, seed)
    workflow = Workflow("unruly", tasks=[unruly.task(number) for number in range(30)])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=3) as runner:
        first, second, third = await runner.submit_many(workflow, [None, None, None])
        await third.cancel()
        results = [await first.wait(), await second.wait(), await third.wait()]
        assert bodies.now == 0
        assert bodies.most <= 3
        # Nothing is lost: all slots still serve.
        together = threading.Barrier(3, timeout=20)

        def meet(context: Context) -> None:
            together.wait()

        meeting = [task(id=f"meet_{number}")(_another(meet)) for number in range(3)]
        (await runner.execute(Workflow("meets", tasks=meeting))).raise_for_status()
    assert [result.status for result in results] == ["Failed", "Failed", "Cancelled"]
    assert {record.status for result in results[:2] for record in result.tasks.values()} == {"Completed", "Failed"}


async def test_a_body_goes_on_with_a_slot_after_its_own_scope_has_ended_a_wait(
    bodies: Bodies, until: Until, until_wait: UntilWait
) -> None:
    gave_up: list[bool] = []
    go_on = anyio.Event()
    occupant_is_open = anyio.Event()
    occupies = anyio.Event()

    @task
    async def impatient(context: Context, handle: TaskHandle) -> None:
        scope = anyio.CancelScope()

        async def give_up() -> None:
            await occupies.wait()
            scope.cancel()
            gave_up.append(True)

        async with anyio.create_task_group() as group:
            group.start_soon(give_up)
            with scope:
                await handle.defer_until(lambda: False, poll_interval_ms=1)
        with bodies.inside():
            context["held"] = handle.is_slot_held()
            go_on.set()

    @task
    async def occupy(context: Context) -> None:
        with bodies.inside():
            occupies.set()
            await occupant_is_open.wait()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        first = await runner.submit(Workflow("impatient", tasks=[impatient]))
        await until_wait(runner, first)
        await runner.submit(Workflow("occupies", tasks=[occupy]))
        await until(lambda: gave_up)
        await until_wait(runner, first, "resuming")
        assert not go_on.is_set()  # The occupant holds the only slot.
        occupant_is_open.set()
        result = (await first.wait()).raise_for_status()
        (wait,) = await runner.waits(first.id)
        types = [event.type for event in await runner.events(first.id) if event.task_id]
    assert result.context == {"held": True}
    assert bodies.most == 1
    assert (wait.phase, wait.outcome) == ("ended", "cancelled")
    assert types == ["task_started", "task_deferred", "task_resuming", "task_resumed", "task_completed"]
