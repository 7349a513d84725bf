"""Promise 1: the condition is called once at once, still holding the slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloacina import AsyncRunner, BlockingTaskHandle, Context, TaskHandle, Workflow, task

if TYPE_CHECKING:
    from collections.abc import Callable

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])


def _observing(kind: str, answers: list[object], held: list[bool], **options: object) -> Callable[..., object]:
    """Return a task whose condition gives the answers in turn, and notes whether the slot is held meanwhile."""

    async def wait(context: Context, handle: TaskHandle) -> None:
        def condition() -> object:
            held.append(handle.is_slot_held())
            return answers[len(held) - 1]

        context["value"] = await handle.defer_until(condition, **options)  # type: ignore[arg-type]
        held.append(handle.is_slot_held())

    def wait_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        def condition() -> object:
            held.append(handle.is_slot_held())
            return answers[len(held) - 1]

        context["value"] = handle.defer_until(condition, **options)  # type: ignore[arg-type]
        held.append(handle.is_slot_held())

    return task(id="wait")(wait if kind == "async def" else wait_blocking)


@_BOTH_KINDS
async def test_immediate_condition(kind: str) -> None:
    held: list[bool] = []
    an_hour = 3_600_000
    workflow = Workflow("waits", tasks=[_observing(kind, ["there"], held, poll_interval_ms=an_hour)])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = (await runner.execute(workflow)).raise_for_status()
        events = await runner.events(result.id)
        waits = await runner.waits(result.id)
    assert result.context == {"value": "there"}
    assert held == [True, True]
    assert waits == []
    assert [event.type for event in events if event.task_id] == ["task_started", "task_completed"]


@_BOTH_KINDS
async def test_a_condition_that_is_not_met_at_once_releases_then_polls_then_reclaims(kind: str) -> None:
    held: list[bool] = []
    workflow = Workflow("waits", tasks=[_observing(kind, [False, 0, "now"], held, poll_interval_ms=1)])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = (await runner.execute(workflow)).raise_for_status()
        events = await runner.events(result.id)
        (wait,) = await runner.waits(result.id)
    assert result.context == {"value": "now"}
    assert held == [True, False, False, True]
    assert (wait.phase, wait.outcome, wait.polls) == ("ended", "met", 3)
    assert [event.type for event in events if event.task_id] == [
        "task_started",
        "task_deferred",
        "task_resuming",
        "task_resumed",
        "task_completed",
    ]
