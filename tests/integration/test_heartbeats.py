"""What heartbeats promise: who sees them when, how long a body may be silent, and what the next attempt is told."""

from __future__ import annotations

import threading
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    Client,
    Context,
    HandleConsumed,
    HeartbeatTimeout,
    InvalidOption,
    NotJSONSerializable,
    RetryPolicy,
    TaskCancelled,
    TaskHandle,
    Workflow,
    task,
)
from cloacina.testing import FakeTaskHandle, VirtualClock

if TYPE_CHECKING:
    from tests.integration.conftest import Call, Crashed, Scripted, Until, UntilWait

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])
_HOUR = timedelta(hours=1)

Script = Generator["Call", Any, None]


@_BOTH_KINDS
@pytest.mark.parametrize("minutes", [59, 61])
async def test_body_may_be_silent_for_its_heartbeat_timeout_from_start_beat_or_wait(
    scripted: Scripted, kind: str, minutes: int
) -> None:
    clock = VirtualClock()

    def works(context: Context) -> Script:
        clock.advance(timedelta(minutes=30))
        yield "heartbeat", "half"
        clock.advance(timedelta(minutes=59))
        yield ("heartbeat",)
        clock.advance(timedelta(minutes=59))
        yield "defer_for", timedelta(hours=5)
        clock.advance(timedelta(minutes=minutes))
        context["done"] = True

    workflow = Workflow("w", tasks=[scripted(kind, works, heartbeat_timeout=_HOUR)])
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        result = await runner.execute(workflow)
        (stored,) = await runner.tasks(result.id)

    if minutes == 59:
        assert result.context == {"done": True}
    else:
        assert result.error is not None
        assert (result.error.task_id, result.error.code) == ("works", HeartbeatTimeout.code)
        assert "heartbeat_timeout of 3600 s without a heartbeat" in result.error.message
    told = result.tasks["works"]
    assert (told.heartbeat, told.heartbeat_at) == ("half", VirtualClock().now() + timedelta(minutes=89))
    assert (stored.heartbeat, stored.heartbeat_at) == (told.heartbeat, told.heartbeat_at)


@_BOTH_KINDS
async def test_body_that_hangs_fails_its_attempt_and_the_next_goes_on_from_the_last_heartbeat(kind: str) -> None:
    clock = VirtualClock()
    pause = threading.Event()
    told: list[object] = []

    @task(id="works", heartbeat_timeout=_HOUR, retry=RetryPolicy(attempts=2, delay=0))
    async def works(context: Context, handle: TaskHandle) -> None:
        told.append(handle.last_heartbeat)
        if handle.attempt == 1:
            handle.heartbeat({"row": 7})
            clock.advance(_HOUR)
            await anyio.sleep_forever()
        context["rows"] = handle.last_heartbeat

    @task(id="works", heartbeat_timeout=_HOUR, retry=RetryPolicy(attempts=2, delay=0))
    def works_in_thread(context: Context, handle: BlockingTaskHandle) -> None:
        told.append(handle.last_heartbeat)
        if handle.attempt == 1:
            handle.heartbeat({"row": 7})
            clock.advance(_HOUR)
            try:
                while handle.is_slot_held():
                    pause.wait(0.001)
            except TaskCancelled:
                told.append("cancelled")
                raise
        context["rows"] = handle.last_heartbeat

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=clock) as runner:
        workflow = Workflow("w", tasks=[works if kind == "async def" else works_in_thread])
        result = (await runner.execute(workflow)).raise_for_status()

    assert result.tasks["works"].attempt == 2
    assert result.context == {"rows": {"row": 7}}
    assert told == [None, *(["cancelled"] if kind == "def" else []), {"row": 7}]


@_BOTH_KINDS
async def test_details_are_seen_at_once_here_and_within_seconds_elsewhere_and_outlive_the_process(
    scripted: Scripted, until: Until, until_wait: UntilWait, crashed: Crashed, tmp_path: Path, kind: str
) -> None:
    clock = VirtualClock(auto=False)

    def works(context: Context) -> Script:
        yield "heartbeat", 41
        yield "heartbeat", 42
        yield "wait_for", "go"

    path = tmp_path / "w.db"
    async with AsyncRunner(path, clock=clock) as runner:
        execution = await runner.submit(Workflow("w", tasks=[scripted(kind, works)]))
        await until_wait(runner, execution)
        with Client(path) as client:
            (here,), (elsewhere,) = await runner.tasks(execution.id), client.tasks(execution.id)
            assert (here.heartbeat, elsewhere.heartbeat) == (42, None)
            clock.advance(5)
            await until(lambda: client.tasks(execution.id)[0].heartbeat == 42)
        left = crashed(path)
        await execution.cancel()

    seen: list[object] = []

    @task(id="works")
    async def sees(context: Context, handle: TaskHandle) -> None:
        seen.append(handle.last_heartbeat)

    async with AsyncRunner(left) as runner:
        runner.register(Workflow("w", tasks=[sees]))
        (await runner.wait(execution.id)).raise_for_status()
    assert seen == [42]


@_BOTH_KINDS
async def test_runner_that_is_left_leaves_the_last_heartbeat_to_the_next(
    scripted: Scripted, until_wait: UntilWait, tmp_path: Path, kind: str
) -> None:
    seen: list[object] = []

    def works(context: Context) -> Script:
        yield "heartbeat", 42
        yield "wait_for", "go"

    @task(id="works")
    async def sees(context: Context, handle: TaskHandle) -> None:
        seen.append(handle.last_heartbeat)

    path, clock = tmp_path / "w.db", VirtualClock(auto=False)
    async with AsyncRunner(path, clock=clock, on_exit="leave", grace=0) as runner:
        execution = await runner.submit(Workflow("w", tasks=[scripted(kind, works)]))
        await until_wait(runner, execution)
    async with AsyncRunner(path) as runner:
        runner.register(Workflow("w", tasks=[sees]))
        (await runner.wait(execution.id)).raise_for_status()
    assert seen == [42]


async def test_what_cannot_be_a_heartbeat_is_refused() -> None:
    kept: list[TaskHandle] = []

    @task
    async def works(context: Context, handle: TaskHandle) -> None:
        with pytest.raises(NotJSONSerializable):
            handle.heartbeat({1, 2})
        assert handle.last_heartbeat is None
        kept.append(handle)

    async with AsyncRunner("sqlite://") as runner:
        (await runner.execute(Workflow("w", tasks=[works]))).raise_for_status()
    with pytest.raises(HandleConsumed):
        kept[0].heartbeat()

    with pytest.raises(InvalidOption, match="takes no handle"):

        @task(heartbeat_timeout=1)
        def without(context: Context) -> None: ...

    with pytest.raises(InvalidOption, match="heartbeat_timeout is 0"):

        @task(heartbeat_timeout=0)
        async def at_once(context: Context, handle: TaskHandle) -> None: ...


def test_stand_in_notes_heartbeats_and_is_told_the_last_one() -> None:
    handle = FakeTaskHandle(last_heartbeat=3)
    assert handle.last_heartbeat == 3
    handle.heartbeat((4, 5))
    handle.heartbeat()
    assert (handle.heartbeats, handle.last_heartbeat) == ([[4, 5], None], [4, 5])
