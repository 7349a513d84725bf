"""Work for many executions or tasks is done in portions: others have a turn of the event loop after each."""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from cloacina import AsyncRunner, Context, StoreWriteFailed, Workflow, task
from cloacina.execution import turns
from cloacina.execution.attempt import Attempt
from cloacina.scheduling.execution_run import ExecutionRun

_PORTION = 10
_MANY = 95
_STEPS = [
    *((ExecutionRun, name) for name in ("creation", "start", "cancel", "_finish_task")),
    (Attempt, "start"),
]


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each step of such work, and `turn` whenever another task has one."""
    monkeypatch.setattr(turns, "STEPS_PER_TURN", _PORTION)
    notes: list[str] = []

    def note(owner: type, name: str) -> None:
        method = getattr(owner, name)

        def noting(self: Any, *args: Any) -> Any:
            notes.append(f"{owner.__name__}.{name}")
            return method(self, *args)

        monkeypatch.setattr(owner, name, noting)

    for owner, name in _STEPS:
        note(owner, name)
    return notes


def _longest(journal: list[str]) -> dict[str, int]:
    """Return the most steps of each kind that were taken in one turn."""
    most: dict[str, int] = {}
    for is_turn, notes in groupby(journal, "turn".__eq__):
        if not is_turn:
            for name, same in groupby(sorted(notes)):
                most[name] = max(most.get(name, 0), len(list(same)))
    return most


@pytest.mark.parametrize("end", ["left by an exception", "broken down"])
@pytest.mark.parametrize("executions", [_MANY, 1])
async def test_others_have_a_turn_while_many_are_made_started_and_cancelled(
    executions: int, end: str, journal: list[str]
) -> None:
    async def work(context: Context) -> None:
        await anyio.sleep_forever()

    tasks = [task(id=f"task_{number}")(partial(work)) for number in range(_MANY // executions)]

    async def others() -> None:
        while True:
            journal.append("turn")
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(others)
        with pytest.raises((ZeroDivisionError, StoreWriteFailed)):
            async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
                await runner.submit_many(Workflow("works", tasks=tasks), [None] * executions)
                if end == "broken down":
                    runner._engine._scheduler.break_down(StoreWriteFailed("planted"))
                raise ZeroDivisionError
        group.cancel_scope.cancel()

    most = _longest(journal)
    assert most.keys() == {f"{owner.__name__}.{name}" for owner, name in _STEPS}
    # Trio has the tasks of a turn run in any order, so two portions may follow each other, and a runner that has broken
    # down is left besides.
    assert max(most.values()) <= 4 * _PORTION < _MANY


async def test_what_queues_for_a_slot_does_not_begin_when_others_are_cancelled_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "STEPS_PER_TURN", 1)
    began: list[str] = []
    has_begun = anyio.Event()

    async def work(name: str, context: Context) -> None:
        began.append(name)
        has_begun.set()
        await anyio.sleep_forever()

    tasks = [task(id=f"task_{number}")(partial(work, f"task_{number}")) for number in range(20)]
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("wide", tasks=tasks))
        await has_begun.wait()
        await execution.cancel()
        await execution.wait()
    assert began == ["task_0"]
