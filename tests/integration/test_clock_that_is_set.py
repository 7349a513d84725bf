"""The wall clock is set, or the machine sleeps, while a runner is open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from cloacina import AsyncRunner, Context, TaskHandle, Workflow, task
from cloacina.execution import ids
from cloacina.execution.clock import SystemClock
from cloacina.store import queries
from cloacina.testing import VirtualClock

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Deferring, UntilWait

HOUR = 3_600.0
HOUR_MS = 3_600_000


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


@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize(
    ("ahead", "takes"), [(timedelta(hours=3), timedelta(0)), (timedelta(hours=-2), timedelta(hours=5))]
)
async def test_a_deadline_follows_the_wall_clock(
    ahead: timedelta, takes: timedelta, kind: str, deferring: Deferring, until_wait: UntilWait
) -> None:
    clock = VirtualClock(auto=False)
    options: dict[str, Any] = {"poll_interval_ms": 60_000, "default": "late"}
    deadline = clock.now() + timedelta(hours=3)
    by_clock = Workflow("follows", tasks=[deferring(kind, "wait", lambda: False, deadline=deadline, **options)])
    by_time = Workflow("counts", tasks=[deferring(kind, "wait", lambda: False, timeout=10_800, **options)])
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        follows, counts = await runner.submit(by_clock), await runner.submit(by_time)
        await until_wait(runner, follows)
        await until_wait(runner, counts)
        clock.set_wall_clock(clock.now() + ahead)
        for execution, end in sorted([(follows, takes), (counts, timedelta(hours=3))], key=lambda pair: pair[1]):
            clock.advance(end - clock.elapsed - timedelta(minutes=1) if end else 0)
            await clock.settled()
            assert (await runner.waits(execution.id))[0].phase == ("waiting" if end else "ended")
            clock.advance(timedelta(minutes=2))
            assert (await execution.wait(timeout=20)).context == {"wait": "late"}
        assert [record.deadline for record in await runner.waits(follows.id)] == [deadline]


async def test_the_machines_clock_is_looked_at_while_somebody_waits_for_it(
    clock: SetClock, deferring: Deferring, until_wait: UntilWait
) -> None:
    clock.seconds_between_looks = 0.01
    deadline = datetime.now(UTC) + timedelta(hours=1)
    late = deferring("async def", "wait", lambda: False, poll_interval_ms=HOUR_MS, deadline=deadline, default="late")
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(Workflow("follows", tasks=[late]))
        await until_wait(runner, execution)
        clock.ahead = 2 * HOUR
        assert (await execution.wait(timeout=20)).context == {"wait": "late"}


async def test_when_a_condition_is_called_next_stays_true(deferring: Deferring, until_wait: UntilWait) -> None:
    clock = VirtualClock()
    rare = deferring("async def", "wait", lambda: False, poll_interval_ms=24 * HOUR_MS)
    often = deferring("async def", "often", lambda: False, poll_interval_ms=100)
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[rare, often]))
        await until_wait(runner, execution)
        await clock.sleep(10)
        clock.set_wall_clock(clock.now() + timedelta(days=7))
        await clock.sleep(10)
        stored = {record.task_id: record for record in await runner._engine.read(queries.waits, execution.id)}
        due = stored["wait"].started_at + timedelta(days=8)
        assert stored["wait"].next_poll_at is not None
        assert abs(stored["wait"].next_poll_at - due) < timedelta(seconds=1)
        await execution.cancel()
