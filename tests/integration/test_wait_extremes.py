"""Waits at the ends of their ranges: very long ones, and what is stored of them before and after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cloacina import AsyncRunner, Context, TaskHandle, Workflow, task
from cloacina.execution.waiting import flush
from cloacina.store import queries

if TYPE_CHECKING:
    from tests.integration.conftest import Until, UntilWait

pytestmark = pytest.mark.anyio

CENTURY_MS = 100 * 365 * 86_400_000


@pytest.mark.parametrize(
    "options",
    [
        {"poll_interval_ms": CENTURY_MS + 1},
        {"poll_interval_ms": 10**400},
        {"deadline": datetime.max.replace(tzinfo=UTC)},
        {"deadline": datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))},
    ],
    ids=["interval", "enormous interval", "last moment", "last moment elsewhere"],
)
async def test_what_lies_more_than_a_century_ahead_is_refused_and_only_there(options: dict[str, Any]) -> None:
    @task
    async def waiting(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(lambda: False, **options)

    @task
    async def nothing(context: Context) -> None:
        pass

    async with AsyncRunner("sqlite://") as runner:
        error = (await runner.execute(Workflow("waiting", tasks=[waiting]))).error
        assert error is not None
        assert (error.code, "100 years" in error.message) == ("CLO-1205", True)
        (await runner.execute(Workflow("nothing", tasks=[nothing]))).raise_for_status()


async def test_a_century_can_be_waited_for_and_read(until_wait: UntilWait) -> None:
    @task
    async def waiting(context: Context, handle: TaskHandle) -> None:
        deadline = datetime.now(UTC) + timedelta(days=36_499)
        await handle.defer_until(lambda: False, poll_interval_ms=CENTURY_MS, deadline=deadline)

    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("waiting", tasks=[waiting]))
        await until_wait(runner, execution)
        (wait,) = await runner.waits(execution.id)
        assert wait.next_poll_at is not None
        assert wait.deadline is not None
        assert wait.next_poll_at.year - datetime.now(UTC).year in {99, 100}
        await execution.cancel()


async def test_the_next_poll_is_stored_after_a_tolerated_error_too(
    monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(flush, "FLUSH_SECONDS", 0.01)

    def condition() -> None:
        raise ValueError

    @task
    async def waiting(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(condition, poll_interval_ms=3_600_000, tolerate_errors=1)

    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("waiting", tasks=[waiting]))

        async def is_stored() -> bool:
            found = await runner._engine.read(queries.waits, execution.id, None, 10)
            return [(wait.errors, wait.next_poll_at is not None) for wait in found] == [(1, True)]

        await until(is_stored)
        await execution.cancel()


async def test_a_poll_that_comes_while_others_are_stored_is_stored_soon_too(
    monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    # One wait a portion, and a long pause between two: the first is polled again while the second has its turn.
    monkeypatch.setattr(flush, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(flush, "_AT_ONCE", 1)
    monkeypatch.setattr(flush, "_PAUSE_SECONDS", 0.5)
    calls: list[None] = []
    hanging = anyio.Event()

    async def twice() -> None:
        calls.append(None)
        if len(calls) > 3:
            await hanging.wait()  # No further poll asks for a flush.

    @task
    async def polled(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(twice, poll_interval_ms=100)

    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("polled", tasks=[polled]))

        async def is_stored() -> bool:
            found = await runner._engine.read(queries.waits, execution.id, None, 10)
            return [wait.polls for wait in found] == [3]

        await until(is_stored)
        await execution.cancel()
