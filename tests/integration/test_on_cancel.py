"""What `on_cancel` promises: whose it is, when it is called, and what becomes of errors and of dead processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cloacina import (
    AsyncRunner,
    Cancellation,
    Client,
    Context,
    InvalidOption,
    RetryPolicy,
    TaskHandle,
    Workflow,
    task,
)
from cloacina.testing import FakeTaskHandle, VirtualClock

if TYPE_CHECKING:
    from tests.integration.conftest import Bodies, Call, Crashed, Scripted, Until, UntilWait

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])

Script = Generator["Call", Any, None]
CleanUp = Callable[[Context, Cancellation], object]


def of_kind(kind: str, function: CleanUp) -> Callable[..., Any]:
    """Return an `on_cancel` function of both arguments, `def` or `async def`."""

    async def cleans_up(context: Context, cancellation: Cancellation) -> None:
        await anyio.lowlevel.checkpoint()
        function(context, cancellation)

    def cleans_up_in_thread(context: Context, cancellation: Cancellation) -> None:
        function(context, cancellation)

    return cleans_up if kind == "async def" else cleans_up_in_thread


@_BOTH_KINDS
@pytest.mark.parametrize("raises", [False, True])
async def test_on_cancel_is_called_once_the_body_has_ended_and_its_errors_change_nothing(
    scripted: Scripted, until_wait: UntilWait, kind: str, raises: bool
) -> None:
    journal: list[object] = []
    keys: list[str] = []

    def works(context: Context) -> Script:
        context["written"] = "discarded"
        yield "checkpoint", "start", lambda: {"job": 7}
        yield "checkpoint", "start", lambda: 8, {"key": "eu"}
        yield "heartbeat", "half"
        keys.append((yield "idempotency_key", "job"))
        try:
            yield "wait_for", "done"
        finally:
            journal.append("body ends")

    def clean_up(context: Context, cancellation: Cancellation) -> None:
        journal.append(context.to_dict())
        journal.append((cancellation.checkpoint("start"), cancellation.checkpoint("start", key="eu")))
        journal.append((cancellation.checkpoint("never", default="no"), cancellation.last_heartbeat))
        keys.append(cancellation.idempotency_key("job"))
        if raises:
            raise ConnectionError("no route to the service")

    workflow = Workflow("w", tasks=[scripted(kind, works, on_cancel=of_kind(kind, clean_up))])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(workflow, {"order": 3})
        await until_wait(runner, execution)
        assert await execution.cancel()
        result = await execution.wait()
        events = await runner.events(execution.id)
        (signal,) = await runner.signals(execution.id)

    assert journal == ["body ends", {"order": 3}, ({"job": 7}, 8), ("no", "half")]
    assert keys[0] == keys[1]
    assert (result.status, result.error, result.tasks["works"].status) == ("Cancelled", None, "Cancelled")
    types = [event.type for event in events]
    assert types[-3:] == ["task_cleaned_up", "task_cancelled", "execution_cancelled"]
    assert events[-3].detail == ({"error": "ConnectionError: no route to the service"} if raises else None)
    assert (signal.kind, signal.consumed_at is not None) == ("cancel", True)


async def test_on_cancel_is_for_tasks_that_had_begun_and_not_ended(until: Until, until_wait: UntilWait) -> None:
    cleaned: list[str] = []

    def cleans(name: str) -> Callable[[Context], None]:
        return lambda context: cleaned.append(f"{name} {context['seen']}")

    @task(on_cancel=cleans("completed"))
    async def completed(context: Context) -> None:
        context["seen"] = "what it wrote"

    @task(dependencies=[completed], on_cancel=cleans("waits"))
    async def waits(context: Context, handle: TaskHandle) -> None:
        await handle.wait_for("never")

    @task(dependencies=[completed], retry=RetryPolicy(delay=3600), on_cancel=cleans("failed once"))
    async def failed_once(context: Context) -> None:
        raise ConnectionError

    @task(dependencies=[waits], on_cancel=cleans("not begun"))
    async def not_begun(context: Context) -> None: ...

    workflow = Workflow("w", tasks=[completed, waits, failed_once, not_begun])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(workflow, {"seen": "initial"})
        await until_wait(runner, execution)

        async def is_retrying() -> bool:
            return "task_retrying" in [event.type for event in await runner.events(execution.id)]

        await until(is_retrying)
        await execution.cancel()
        result = await execution.wait()

    assert sorted(cleaned) == ["failed once what it wrote", "waits what it wrote"]
    assert {task_id: record.status.value for task_id, record in result.tasks.items()} == {
        "completed": "Completed",
        "waits": "Cancelled",
        "failed_once": "Cancelled",
        "not_begun": "Cancelled",
    }


@_BOTH_KINDS
async def test_clean_ups_take_slots_in_turn(scripted: Scripted, bodies: Bodies, until: Until, kind: str) -> None:
    def works(context: Context) -> Script:
        yield "wait_for", "done"

    async def clean_up(context: Context) -> None:
        with bodies.inside():
            for _ in range(10):
                await anyio.lowlevel.checkpoint()

    workflow = Workflow("w", tasks=[scripted(kind, works, on_cancel=clean_up)])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        executions = await runner.submit_many(workflow, [None] * 5)

        async def all_wait() -> bool:
            return len(await runner.waits(phase="waiting")) == 5

        await until(all_wait)
        for execution in executions:
            await execution.cancel()
        assert {(await execution.wait()).status.value for execution in executions} == {"Cancelled"}
    assert bodies.most == 1


@_BOTH_KINDS
async def test_leaving_the_runner_by_an_exception_calls_no_on_cancel(
    scripted: Scripted, until_wait: UntilWait, kind: str
) -> None:
    cleaned: list[Context] = []

    def works(context: Context) -> Script:
        yield "wait_for", "done"

    workflow = Workflow("w", tasks=[scripted(kind, works, on_cancel=cleaned.append)])
    with pytest.raises(RuntimeError, match="on its way out"):
        async with AsyncRunner("sqlite://") as runner:
            execution = await runner.submit(workflow)
            await until_wait(runner, execution)
            raise RuntimeError("on its way out")
    assert cleaned == []


@_BOTH_KINDS
async def test_execution_that_nobody_runs_is_cleaned_up_behind_by_the_next_runner_that_knows_it(
    scripted: Scripted, until_wait: UntilWait, crashed: Crashed, tmp_path: Path, kind: str
) -> None:
    journal: list[object] = []

    def works(context: Context) -> Script:
        journal.append("begins")
        yield "checkpoint", "start", lambda: 7
        yield "wait_for", "done"

    def clean_up(context: Context, cancellation: Cancellation) -> None:
        journal.append(cancellation.checkpoint("start"))

    workflow = Workflow("w", tasks=[scripted(kind, works, on_cancel=of_kind(kind, clean_up))])
    async with AsyncRunner(tmp_path / "w.db") as runner:
        execution = await runner.submit(workflow)
        await until_wait(runner, execution)
        left = crashed(tmp_path / "w.db")
        await execution.cancel()
        await execution.wait()
    assert journal == ["begins", 7]

    with Client(left) as client:
        assert client.cancel(execution.id)
        assert not client.cancel(execution.id), "it was asked for already"
        record = client.execution(execution.id)
        assert record is not None
        assert record.status == "Running"
        async with AsyncRunner(left) as runner:
            runner.register(workflow)
            assert (await runner.wait(execution.id)).status == "Cancelled"
        (signal,) = client.signals(execution.id)
        (wait,) = client.waits(execution.id)

    assert journal == ["begins", 7, 7], "the body did not begin again"
    assert signal.consumed_at is not None
    assert (wait.phase, wait.outcome) == ("ended", "dropped")


@_BOTH_KINDS
async def test_process_that_dies_while_it_cleans_up_leaves_that_to_the_next(
    scripted: Scripted, until: Until, until_wait: UntilWait, crashed: Crashed, tmp_path: Path, kind: str
) -> None:
    journal: list[object] = []
    may_end = threading.Event()

    def works(context: Context) -> Script:
        journal.append("begins")
        yield "wait_for", "done"

    def clean_up(context: Context) -> None:
        journal.append("cleans up")
        may_end.wait()

    workflow = Workflow("w", tasks=[scripted(kind, works, on_cancel=clean_up)])
    async with AsyncRunner(tmp_path / "w.db") as runner:
        execution = await runner.submit(workflow)
        await until_wait(runner, execution)
        await execution.cancel()
        await until(lambda: journal == ["begins", "cleans up"])
        await runner.events(execution.id)
        left = crashed(tmp_path / "w.db")
        may_end.set()
        await execution.wait()

    async with AsyncRunner(left) as runner:
        runner.register(workflow)
        assert (await runner.wait(execution.id)).status == "Cancelled"
    assert journal == ["begins", "cleans up", "cleans up"]


@_BOTH_KINDS
async def test_runner_that_is_left_while_it_cleans_up_leaves_that_to_the_next(
    scripted: Scripted, until: Until, until_wait: UntilWait, tmp_path: Path, kind: str
) -> None:
    journal: list[object] = []

    def works(context: Context) -> Script:
        yield "wait_for", "done"

    async def cleans_up(context: Context) -> None:
        journal.append("begins")
        if len(journal) == 1:
            await anyio.sleep_forever()
        journal.append("ends")

    workflow = Workflow("w", tasks=[scripted(kind, works, on_cancel=cleans_up)])
    async with AsyncRunner(tmp_path / "w.db", on_exit="leave", grace=0) as runner:
        execution = await runner.submit(workflow)
        await until_wait(runner, execution)
        await execution.cancel()
        await until(lambda: journal == ["begins"])

    async with AsyncRunner(tmp_path / "w.db") as runner:
        runner.register(workflow)
        assert (await runner.wait(execution.id)).status == "Cancelled"
    assert journal == ["begins", "begins", "ends"]


@_BOTH_KINDS
@pytest.mark.parametrize("timeout", [None, timedelta(hours=1)])
async def test_on_cancel_may_take_as_long_as_the_timeout_of_its_task_or_a_minute(
    scripted: Scripted, until_wait: UntilWait, kind: str, timeout: timedelta | None
) -> None:
    clock = VirtualClock()
    may_end = threading.Event()
    limit = timeout or timedelta(minutes=1)

    def works(context: Context) -> Script:
        yield "wait_for", "done"

    async def hangs(context: Context) -> None:
        clock.advance(limit)
        await anyio.sleep_forever()

    def hangs_in_thread(context: Context) -> None:
        clock.advance(limit)
        may_end.wait()

    on_cancel = hangs if kind == "async def" else hangs_in_thread
    workflow = Workflow("w", tasks=[scripted(kind, works, on_cancel=on_cancel, timeout=timeout)])
    async with AsyncRunner("sqlite://", clock=clock) as runner:
        execution = await runner.submit(workflow)
        await until_wait(runner, execution)
        await execution.cancel()
        result = await execution.wait()
        may_end.set()
        (event,) = [each for each in await runner.events(execution.id) if each.type == "task_cleaned_up"]

    assert result.status == "Cancelled"
    assert event.detail is not None
    assert ("3600 s" if timeout else "60 s") in event.detail["error"]


async def test_stand_in_tells_what_the_task_has_left() -> None:
    handle = FakeTaskHandle(attempt=2)
    await handle.checkpoint("start", lambda: [7])
    handle.heartbeat(3)
    left = handle.cancellation()
    assert (left.checkpoint("start"), left.last_heartbeat, left.attempt) == ([7], 3, 2)
    assert left.idempotency_key("job") == handle.idempotency_key("job")


@pytest.mark.parametrize(
    "on_cancel",
    [3, dict, lambda: None, lambda context, cancellation, more: None],
    ids=["no function", "a class", "too few", "too many"],
)
def test_what_cannot_be_called_with_a_context_is_refused(on_cancel: Any) -> None:
    with pytest.raises(InvalidOption, match="on_cancel of task 'works'"):

        @task(on_cancel=on_cancel)
        def works(context: Context) -> None: ...
