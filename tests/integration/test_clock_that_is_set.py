"""The wall clock is set, or the machine sleeps, while a runner is open."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from cloacina import AsyncRunner, Context, TaskHandle, Workflow, task
from cloacina.execution import ids
from cloacina.execution.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3_600.0


class SetClock(SystemClock):
    """A clock that shows as many seconds more than the machine's as it was set forward: a negative number, back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        monkeypatch.setattr(ids, "_newest", 0)
        monkeypatch.setattr(ids, "time", SimpleNamespace(time_ns=lambda: round(self.time() * 1e9)))

    def time(self) -> float:
        return super().time() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Return a clock to be set, which ids follow too."""
    return SetClock(monkeypatch)


@task
async def wait(context: Context, handle: TaskHandle) -> None:
    answers = iter([False, True])
    await handle.defer_until(lambda: next(answers), poll_interval_ms=1)


async def test_newest_first_holds_when_the_clock_is_set_back(
    clock: SetClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = Workflow("waits", tasks=[wait])
    database = tmp_path / "runs.db"
    async with AsyncRunner(database, clock=clock) as runner:
        first = await runner.execute(workflow)
        clock.ahead = -HOUR
        second = await runner.execute(workflow)
    monkeypatch.setattr(ids, "_newest", 0)  # as in a new process
    async with AsyncRunner(database, clock=clock) as runner:
        third = await runner.execute(workflow)
        assert [record.id for record in await runner.executions()] == [third.id, second.id, first.id]
        assert [record.id for record in await runner.executions(before=second.id)] == [first.id]
        assert [record.execution_id for record in await runner.waits()] == [first.id, second.id, third.id]


class Backwards(SystemClock):
    """A clock that shows an earlier moment each time that somebody looks."""

    def __init__(self) -> None:
        self.shows = 1_750_000_000.0

    def time(self) -> float:
        self.shows -= 1
        return self.shows


async def test_nothing_ends_before_it_began_when_the_clock_is_set_back() -> None:
    async with AsyncRunner("sqlite://", clock=Backwards()) as runner:
        result = await runner.execute(Workflow("waits", tasks=[wait]))
        (execution,) = await runner.executions()
        (ended_wait,) = await runner.waits()
    (ended,) = result.tasks.values()
    moments = [
        (execution.created_at, execution.started_at, execution.finished_at),
        (ended.started_at, ended.finished_at),
        (ended_wait.started_at, ended_wait.ended_at),
    ]
    for told in moments:
        known = [moment for moment in told if moment is not None]
        assert len(known) == len(told)
        assert known == sorted(known)
