"""The stand-in handles wait as the engine's handles do, without a runner and without real time."""

from __future__ import annotations

import inspect
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from cloacina import (
    BlockingTaskHandle,
    ConcurrentWait,
    ConditionError,
    Context,
    HandleConsumed,
    InvalidWait,
    PollPolicy,
    TaskHandle,
    WaitTimeout,
    Workflow,
    task,
)
from cloacina.testing import FakeBlockingTaskHandle, FakeTaskHandle, VirtualClock, run_workflow

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloacina.handle import BlockingHeldSlot, HeldSlot


def answers(*values: Any) -> Callable[[], Any]:
    """Return a condition that gives one answer a call; an exception is raised."""
    left = list(values)

    def answer() -> Any:
        value = left.pop(0)
        if isinstance(value, Exception):
            raise value
        return value

    return answer


# What a user's type checker sees: the stand-ins are what the tasks declare.
_HANDLE: TaskHandle = FakeTaskHandle()
_BLOCKING_HANDLE: BlockingTaskHandle = FakeBlockingTaskHandle()
_TOKEN: HeldSlot = FakeTaskHandle().into_slot_token()
_BLOCKING_TOKEN: BlockingHeldSlot = FakeBlockingTaskHandle().into_slot_token()


@pytest.mark.parametrize(
    ("protocol", "stand_in"), [(TaskHandle, FakeTaskHandle), (BlockingTaskHandle, FakeBlockingTaskHandle)]
)
def test_stand_in_has_the_methods_of_its_protocol_with_their_parameters(protocol: type, stand_in: type) -> None:
    methods = [name for name in vars(protocol) if not name.startswith("_")]
    assert "defer_until" in methods
    for name in methods:
        expected, found = getattr(protocol, name), getattr(stand_in, name)
        if isinstance(expected, property):
            assert isinstance(found, property)
            continue
        assert inspect.iscoroutinefunction(found) == inspect.iscoroutinefunction(expected), name
        assert inspect.signature(found).parameters == inspect.signature(expected).parameters, name
    assert isinstance(stand_in(), protocol)


async def test_wait_calls_its_condition_until_it_holds_and_is_recorded() -> None:
    condition = answers(None, 0, {"rows": 3})
    handle = FakeTaskHandle()
    assert await handle.defer_until(condition, poll_interval_ms=250, timeout=60) == {"rows": 3}
    (wait,) = handle.waits
    assert wait.conditions == (condition,)
    assert (wait.poll_interval_ms, wait.time_limit, wait.tolerate_errors) == (250, timedelta(seconds=60), 0)
    assert (wait.polls, wait.errors, wait.outcome, wait.value) == (3, 0, "met", {"rows": 3})
    assert wait.duration == handle.clock.elapsed == timedelta(milliseconds=500)


def test_blocking_wait_calls_its_condition_until_it_holds_and_is_recorded() -> None:
    handle = FakeBlockingTaskHandle()
    assert handle.defer_until(answers(False, "there"), poll_interval_ms=250) == "there"
    assert [(wait.polls, wait.outcome, wait.duration) for wait in handle.waits] == [(2, "met", timedelta(seconds=0.25))]


@pytest.mark.parametrize("is_async", [False, True])
def test_several_conditions_are_judged_as_the_engine_does(is_async: bool) -> None:
    def unreachable() -> bool:
        raise OSError("unreachable")

    async def unreachable_async() -> bool:
        return unreachable()

    handle = FakeBlockingTaskHandle()
    fails = unreachable_async if is_async else unreachable
    assert handle.wait_any([fails, answers(False, "there")], tolerate_errors=1) == (1, "there")
    with pytest.raises(ConditionError, match="raised OSError: unreachable, the last of 3 errors in a row"):
        handle.wait_all([answers(True), fails, answers(*[False] * 3)], tolerate_errors=2)
    assert [wait.errors for wait in handle.waits] == [1, 3]


def test_a_deadline_follows_the_wall_clock_that_a_test_sets() -> None:
    handle = FakeBlockingTaskHandle()
    deadline = handle.clock.now() + timedelta(hours=2)
    moves = iter([timedelta(0), timedelta(hours=-1), timedelta(0)] + [timedelta(0)] * 3)

    def condition() -> bool:
        handle.clock.set_wall_clock(handle.clock.now() + next(moves))
        return False

    with pytest.raises(WaitTimeout, match=rf"not met by {re.escape(str(deadline))} \(4 polls"):
        handle.defer_until(condition, poll_interval_ms=3_600_000, deadline=deadline)
    assert handle.waits[0].duration == timedelta(hours=3)


async def test_async_conditions_are_awaited() -> None:
    asked = answers(False, True)

    async def condition() -> bool:
        await anyio.lowlevel.checkpoint()
        return bool(asked())

    handle = FakeTaskHandle()
    assert await handle.defer_until(condition) is True
    assert handle.waits[0].polls == 2


def test_blocking_stand_in_awaits_async_conditions() -> None:
    asked = answers(False, OSError("unreachable"), True)

    async def condition() -> bool:
        await anyio.lowlevel.checkpoint()
        return bool(asked())

    handle = FakeBlockingTaskHandle()
    assert handle.defer_until(condition, tolerate_errors=1) is True
    assert (handle.waits[0].polls, handle.waits[0].errors) == (3, 1)


async def test_another_task_can_make_the_condition_true() -> None:
    arrived: list[str] = []
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.lowlevel.checkpoint)
        handle = FakeTaskHandle()

        async def arrive() -> None:
            arrived.append("export.csv")

        group.start_soon(arrive)
        assert await handle.defer_until(lambda: arrived) == ["export.csv"]


async def test_slot_is_held_in_the_first_call_and_after_the_wait_only() -> None:
    handle = FakeTaskHandle()
    seen: list[bool] = []

    def condition() -> bool:
        seen.append(handle.is_slot_held())
        return len(seen) == 3

    await handle.defer_until(condition)
    assert seen == [True, False, False]
    assert handle.is_slot_held()


async def test_first_poll_of_wait_any_holds_the_slot_in_all_its_calls() -> None:
    handle = FakeTaskHandle()
    seen: list[bool] = []

    def condition() -> bool:
        seen.append(handle.is_slot_held())
        return len(seen) == 4

    assert await handle.wait_any([condition, condition]) == (1, True)
    assert seen == [True, True, False, False]


async def test_wait_any_stops_at_the_first_that_holds_and_wait_all_asks_none_twice() -> None:
    handle = FakeTaskHandle()
    assert await handle.wait_any([answers(0, 0), answers(0, "b"), answers(0)]) == (1, "b")
    assert await handle.wait_all([answers("a"), answers(0, "b")]) == ["a", "b"]
    assert [(wait.polls, len(wait.conditions)) for wait in handle.waits] == [(2, 3), (2, 2)]


def test_blocking_waits_for_several() -> None:
    handle = FakeBlockingTaskHandle()
    assert handle.wait_any([answers(0, 0), answers(0, "b")]) == (1, "b")
    assert handle.wait_all([answers("a"), answers(0, "b")], poll_interval_ms=5) == ["a", "b"]
    assert handle.clock.elapsed == timedelta(seconds=1.005)


def test_condition_that_never_holds_fails_the_test_and_says_why() -> None:
    def never() -> bool:
        return False

    handle = FakeBlockingTaskHandle(max_polls=7)
    with pytest.raises(AssertionError, match=r"never was not met in 7 polls .* max_polls="):
        handle.defer_until(never)
    assert handle.waits[0].polls == 7


def test_time_limit_bounds_a_wait_instead_of_its_polls() -> None:
    handle = FakeBlockingTaskHandle(max_polls=2)
    with pytest.raises(WaitTimeout):
        handle.defer_until(lambda: False, timeout=10)
    assert (handle.waits[0].polls, handle.clock.elapsed) == (11, timedelta(seconds=10))


def test_stop_iteration_of_a_condition_is_an_error_of_the_condition() -> None:
    empty: Any = iter([])
    with pytest.raises(ConditionError, match="StopIteration"):
        FakeBlockingTaskHandle().defer_until(lambda: next(empty))


async def test_wait_within_a_wait_is_refused_and_the_handle_stays_usable() -> None:
    handle = FakeTaskHandle()

    async def nested() -> bool:
        await handle.defer_until(lambda: True)
        return True

    with pytest.raises(ConditionError) as failure:
        await handle.defer_until(nested)
    assert isinstance(failure.value.__cause__, ConcurrentWait)
    assert await handle.defer_until(lambda: "usable") == "usable"


async def test_cancelled_wait_leaves_a_usable_handle() -> None:
    handle = FakeTaskHandle()
    with anyio.CancelScope() as scope:

        def cancel() -> None:
            scope.cancel()

        await handle.defer_until(cancel)
    assert scope.cancelled_caught
    assert handle.waits[0].outcome is None
    assert handle.is_slot_held()
    assert await handle.defer_until(lambda: True)


@pytest.mark.parametrize(
    ("condition", "options"),
    [
        (True, {}),
        (lambda: True, {"poll_interval_ms": 0}),
        (lambda: True, {"tolerate_errors": -1}),
        (lambda: True, {"timeout": -1}),
        (lambda: True, {"timeout": 1, "deadline": VirtualClock().now()}),
        (lambda: True, {"deadline": VirtualClock().now().replace(tzinfo=None)}),
    ],
)
def test_what_cannot_be_waited_for_is_refused_and_not_recorded(condition: Any, options: dict[str, Any]) -> None:
    handle = FakeBlockingTaskHandle()
    with pytest.raises(InvalidWait):
        handle.defer_until(condition, **options)
    assert handle.waits == []


async def test_consumed_handle_refuses_everything_and_its_token_holds_the_slot() -> None:
    handle = FakeTaskHandle()
    token = handle.into_slot_token()
    assert handle.is_consumed
    with pytest.raises(HandleConsumed):
        await handle.defer_until(lambda: True)
    with pytest.raises(HandleConsumed):
        handle.is_slot_held()
    assert (token.is_held(), token.release(), token.release(), token.is_held()) == (True, True, False, False)
    await token.reclaim()
    assert token.is_held()


def test_blocking_token_is_released_and_reclaimed() -> None:
    token = FakeBlockingTaskHandle().into_slot_token()
    assert token.release()
    token.reclaim()
    assert token.is_held()


async def test_task_is_told_what_the_test_says() -> None:
    handle = FakeTaskHandle(attempt=3, task_execution_id="42")
    assert (handle.attempt, handle.task_execution_id()) == (3, "42")
    await handle.yield_slot()
    assert handle.yields == 1


# ── As in the engine ─────────────────────────────────────────────────────────────────────────────────────────────────

SCENARIOS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((True,), {}),
    ((False, "value"), {"poll_interval_ms": 70}),
    ((0,) * 50, {"timeout": 1.5, "poll_interval_ms": 400}),
    ((0,) * 50, {"timeout": timedelta(hours=2), "poll_interval_ms": 3_600_000, "default": "gone"}),
    ((0,) * 50, {"deadline": VirtualClock().now() + timedelta(seconds=30), "poll_interval_ms": 20_000}),
    ((0,), {"timeout": 0}),
    ((0, OSError("first"), 0, OSError("second"), "there"), {"tolerate_errors": 1}),
    ((0, OSError("first"), OSError("second")), {"tolerate_errors": 1}),
    ((0, OSError("only")), {}),
    ((0, 0, 0, 0, "value"), {"poll": PollPolicy(0.5, backoff="exponential", max_interval=2)}),
    ((0,) * 50, {"poll": PollPolicy(60, backoff="exponential", max_polls=4)}),
    ((0,) * 50, {"poll": PollPolicy(60, max_polls=4), "timeout": 90, "default": "gone"}),
]


@pytest.mark.parametrize(("values", "options"), SCENARIOS)
def test_stand_in_and_engine_agree(values: tuple[Any, ...], options: dict[str, Any]) -> None:
    def outcome_in(call: Callable[[Context], object]) -> dict[str, Any]:
        context = Context()
        call(context)
        return context.to_dict()

    def make() -> tuple[Callable[..., None], list[int]]:
        polls: list[int] = []
        asked = answers(*values)

        def condition() -> Any:
            polls.append(1)
            return asked()

        @task
        def wait(context: Context, handle: BlockingTaskHandle) -> None:
            try:
                context["value"] = handle.defer_until(condition, **options)
            except (WaitTimeout, ConditionError) as error:
                context["error"] = type(error).__name__
                context["cause"] = repr(error.__cause__)

        return wait, polls

    wait, polls = make()
    handle = FakeBlockingTaskHandle()
    expected = outcome_in(lambda context: wait(context, handle))
    wait_in_engine, polls_in_engine = make()
    clock = VirtualClock()
    result = run_workflow(Workflow("parity", tasks=[wait_in_engine]), clock=clock).raise_for_status()
    assert result.context == expected
    assert len(polls_in_engine) == len(polls) == handle.waits[0].polls
    assert clock.elapsed == handle.clock.elapsed
