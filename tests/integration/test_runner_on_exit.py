"""What becomes of executions when their runner is left: waited for, cancelled, or left to the next one as stored."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest

from cloacina import (
    AsyncClient,
    AsyncRunner,
    BlockingTaskHandle,
    Client,
    Context,
    EventType,
    Execution,
    ExecutionStatus,
    RetryPolicy,
    Runner,
    RunnerClosed,
    TaskCancelled,
    TaskHandle,
    TaskStatus,
    UnknownExecution,
    WaitRecord,
    Workflow,
    task,
)
from cloacina.store.ownership import is_locked, lock_path

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Until

ENDED = {EventType.TASK_CANCELLED, EventType.TASK_FAILED, EventType.EXECUTION_CANCELLED, EventType.EXECUTION_FAILED}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


class Busy:
    """A workflow of which something of each kind is going on, and how often each body has begun."""

    def __init__(self, kind: str) -> None:
        self.begun = begun = list[str]()
        self.cleaned_up = cleaned_up = list[str]()
        self.may_end = may_end = threading.Event()
        with Workflow("busy") as self.workflow:

            @task
            async def signal(context: Context, handle: TaskHandle) -> None:
                begun.append("signal")
                context["signal"] = await handle.wait_for("go", timeout=86_400)

            @task
            async def time(context: Context, handle: TaskHandle) -> None:
                begun.append("time")
                await handle.defer_for(3600)

            @task
            async def condition(context: Context, handle: TaskHandle) -> None:
                begun.append("condition")
                context["condition"] = await handle.defer_until(may_end.is_set, poll_interval_ms=1)

            @task(retry=RetryPolicy(2, 3600))
            def fails(context: Context) -> None:
                begun.append("fails")
                raise ValueError

            if kind == "async def":

                @task(id="works")
                async def works(context: Context, handle: TaskHandle) -> None:
                    begun.append("works")
                    try:
                        while not may_end.is_set():
                            await anyio.sleep(0.001)
                    finally:
                        cleaned_up.append("works")
                        with anyio.CancelScope(shield=True), suppress(TaskCancelled):
                            await handle.checkpoint("cleaned up", lambda: cleaned_up.append("stored"))

            else:

                @task(id="works")
                def blocking(context: Context, handle: BlockingTaskHandle) -> None:
                    begun.append("works")
                    try:
                        while not may_end.wait(0.001):
                            handle.is_slot_held()
                    finally:
                        cleaned_up.append("works")
                        with suppress(TaskCancelled):
                            handle.checkpoint("cleaned up", lambda: cleaned_up.append("stored"))

            @task(dependencies=["works"])
            def after(context: Context) -> None:
                begun.append("after")

    async def until_busy(self, runner: AsyncRunner, until: Until) -> None:
        """Return when all of it is stored as going on."""

        async def is_busy() -> bool:
            tasks = {each.task_id: each for each in await runner.tasks((await runner.executions())[0].id)}
            waits = all(tasks[name].sub_status == "Deferred" for name in ("signal", "time", "condition"))
            return waits and tasks["works"].sub_status == "Active" and tasks["fails"].error is not None

        await until(is_busy)


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("way", ["the end", "an exception", "stop()"])
async def test_what_is_left_goes_on_with_the_next_runner_as_if_nothing_had_happened(
    path: Path, until: Until, kind: str, way: str
) -> None:
    busy = Busy(kind)
    waiting: list[BaseException] = []
    executions: list[Execution] = []
    waits: list[WaitRecord] = []

    async def wait(runner: AsyncRunner, execution_id: str) -> None:
        try:
            await runner.wait(execution_id)
        except RunnerClosed as error:
            waiting.append(error)

    async with anyio.create_task_group() as group:
        with suppress(ZeroDivisionError):
            on_exit: Any = "wait" if way == "stop()" else "leave"
            async with AsyncRunner(path, max_concurrent_tasks=5, on_exit=on_exit, grace=0) as runner:
                executions.append(await runner.submit(busy.workflow))
                group.start_soon(wait, runner, executions[0].id)
                await busy.until_busy(runner, until)
                waits += await runner.waits()
                if way == "an exception":
                    raise ZeroDivisionError
                if way == "stop()":
                    runner.stop()
                    await runner.serve(busy.workflow)
    (execution,) = executions
    assert "stays as it is stored" in str(waiting[0])
    assert busy.cleaned_up == ["works"]
    with pytest.raises(RunnerClosed):
        await execution.wait()

    with Client(path) as client:
        found = client.execution(execution.id)
        assert (found.status, found.runner_id) == (ExecutionStatus.RUNNING, None)
        left = {each.task_id: (each.status, each.sub_status, each.attempt) for each in client.tasks(execution.id)}
        deferred = (TaskStatus.RUNNING, "Deferred", 1)
        assert left == {
            "signal": deferred,
            "time": deferred,
            "condition": deferred,
            "fails": (TaskStatus.PENDING, None, 1),
            "works": (TaskStatus.RUNNING, None, 1),
            "after": (TaskStatus.PENDING, None, 0),
        }
        # `runner.waits()` knew when the next poll was to be.
        assert [(each.id, each.phase, each.deadline, each.due_at) for each in client.waits()] == [
            (each.id, "waiting", each.deadline, each.due_at) for each in waits
        ]
        assert not ENDED & {event.type for event in client.events(execution.id)}
        client.signal(execution.id, "go", 7)

    busy.may_end.set()
    async with AsyncRunner(path, on_exit="leave", grace=timedelta(0)) as later:
        later.register(busy.workflow)

        async def has_gone_on() -> bool:
            tasks = await later.tasks(execution.id)
            return {each.task_id for each in tasks if each.status == "Completed"} >= {"signal", "condition", "after"}

        await until(has_gone_on)
        ended = {str(each.kind): (each.id, str(each.phase), each.outcome) for each in await later.waits()}
        ids = {str(each.kind): each.id for each in waits}
        assert ended == {
            "signal": (ids["signal"], "ended", "met"),
            "time": (ids["time"], "waiting", None),
            # It was met when it was asked first, with the slot still held.
            "condition": (ids["condition"], "ended", "met"),
        }
        tasks = {each.task_id: each for each in await later.tasks(execution.id)}
    assert sorted(busy.begun) == sorted([*["signal", "time", "condition", "works"] * 2, "fails", "after"])
    assert {(each.attempt, each.recoveries) for each in tasks.values()} == {(1, 0)}
    assert tasks["fails"].status is TaskStatus.PENDING


async def test_body_has_the_time_of_grace_and_what_follows_it_is_left(path: Path) -> None:
    begun: list[str] = []
    executions: list[Execution] = []
    is_left = anyio.Event()

    @task
    async def works(context: Context) -> None:
        begun.append("works")
        await is_left.wait()
        begun.append((await runner.submit(small)).id)
        context["worked"] = True

    @task(dependencies=[works])
    async def after(context: Context) -> None:
        begun.append("after")

    @task
    async def child(context: Context) -> None:
        begun.append("child")

    small = Workflow("small", tasks=[child])
    big = Workflow("big", tasks=[works, after])
    async with anyio.create_task_group() as group, AsyncRunner(path, on_exit="leave") as runner:
        executions.append(await runner.submit(big))

        async def look() -> None:
            while not runner._engine._is_stopping:
                await anyio.lowlevel.checkpoint()
            is_left.set()

        group.start_soon(look)
    assert len(begun) == 2
    (execution,) = executions
    with Client(path) as client:
        assert [each.attempt for each in client.tasks(execution.id) if each.status != "Completed"] == [0]
        assert {each.id for each in client.executions(status="Pending")} == {begun[1]}
    async with AsyncRunner(path) as later:
        later.register(big, small)
        assert (await later.wait(execution.id)).context == {"worked": True}
        await later.wait(begun[1])
    assert set(begun[2:]) == {"after", "child"}


@pytest.mark.parametrize("on_exit", ["wait", "cancel", "by an exception"])
async def test_what_was_taken_up_goes_back_however_the_runner_is_left(path: Path, until: Until, on_exit: Any) -> None:
    goes_on = anyio.Event()
    executions: list[Execution] = []

    @task
    async def waits(context: Context, handle: TaskHandle) -> None:
        await handle.wait_for("go")

    @task
    async def ends(context: Context) -> None:
        goes_on.set()
        await anyio.sleep(0 if on_exit == "wait" else 3600)

    waiting = Workflow("waiting", tasks=[waits])
    own = Workflow("own", tasks=[ends])
    async with AsyncRunner(path, on_exit="leave") as runner:
        taken = await runner.submit(waiting)
    with suppress(ZeroDivisionError):
        async with AsyncRunner(path, on_exit="wait" if on_exit == "by an exception" else on_exit) as runner:
            runner.register(waiting)

            async def is_taken_up() -> bool:
                return bool(await runner.waits(taken.id, phase="waiting"))

            await until(is_taken_up)
            executions.append(await runner.submit(own))
            await goes_on.wait()
            if on_exit == "by an exception":
                raise ZeroDivisionError
    with Client(path) as client:
        assert client.execution(executions[0].id).status == ("Completed" if on_exit == "wait" else "Cancelled")
        found = client.execution(taken.id)
        assert (found.status, found.runner_id) == ("Running", None)
        assert [wait.phase for wait in client.waits(taken.id)] == ["waiting"]


async def test_thread_that_does_not_end_keeps_its_execution_and_no_other_from_the_next_runner(
    path: Path, until: Until, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("cloacina.scheduling.leaving.CLEANING_SECONDS", 0.0)
    begun: list[str] = []
    may_end = threading.Event()

    @task
    def deaf(context: Context) -> None:
        begun.append("deaf")
        may_end.wait()

    @task
    async def waits(context: Context, handle: TaskHandle) -> None:
        begun.append("waits")
        await handle.wait_for("go")

    workflows = [Workflow("deaf", tasks=[deaf]), Workflow("waits", tasks=[waits])]
    async with AsyncRunner(path, on_exit="leave", grace=0) as runner:
        executions = [await runner.submit(workflow) for workflow in workflows]
        await until(lambda: len(begun) == 2)
        runner_id = runner._engine.runner_id
    try:
        assert f"'deaf' of execution {executions[0].id}" in caplog.text
        with Client(path) as client:
            assert [client.execution(each.id).runner_id for each in executions] == [runner_id, None]
        assert is_locked(lock_path(path, runner_id))
        async with AsyncRunner(path, on_exit="leave") as later:
            later.register(*workflows)
            await until(lambda: len(begun) == 3)
            await later.executions()  # Behind the claim.
        assert begun[2:] == ["waits"]
    finally:
        may_end.set()


async def test_execution_that_was_cancelled_is_so_although_its_body_still_cleans_up(
    path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloacina.scheduling.leaving.CLEANING_SECONDS", 0.0)
    cleans_up, may_end = anyio.Event(), anyio.Event()

    @task
    async def stubborn(context: Context) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cleans_up.set()
            with anyio.CancelScope(shield=True):
                await may_end.wait()

    async with AsyncRunner(path, on_exit="leave", grace=0) as runner:
        execution = await runner.submit(Workflow("stubborn", tasks=[stubborn]))

        async def is_active() -> bool:
            return (await runner.tasks(execution.id))[0].sub_status == "Active"

        await until(is_active)
        await execution.cancel()
        await cleans_up.wait()
    may_end.set()
    with Client(path) as client:
        assert client.wait(execution.id).status is ExecutionStatus.CANCELLED


@pytest.mark.parametrize("on_exit", ["wait", "leave", "cancel"])
async def test_leaving_tells_what_it_waits_for(
    path: Path, until: Until, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, on_exit: Any
) -> None:
    monkeypatch.setattr("cloacina.scheduling.leaving.FIRST_WORD_SECONDS", 0.001)
    begun = anyio.Event()

    def is_told() -> bool:
        return "it waits for 'takes_long' of exec" in caplog.text or "or to wait: 'takes_long' of exec" in caplog.text

    @task
    async def takes_long(context: Context) -> None:
        begun.set()
        with anyio.CancelScope(shield=True):
            await until(is_told)

    with anyio.fail_after(60):
        async with AsyncRunner(path, on_exit=on_exit, grace=3600) as runner:
            await runner.submit(Workflow("long", tasks=[takes_long]))
            await begun.wait()
    assert is_told()


async def test_another_runner_is_woken_to_take_up_what_is_left(
    path: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloacina.scheduling.claiming.LOOK_AGAIN_SECONDS", 3600.0)
    begun: list[str] = []

    @task
    async def waits(context: Context, handle: TaskHandle) -> None:
        begun.append("waits")
        await handle.wait_for("go")

    workflow = Workflow("waits", tasks=[waits])
    async with AsyncRunner(path, on_exit="leave") as another:
        another.register(workflow)
        async with AsyncRunner(path, on_exit="leave") as runner:
            execution = await runner.submit(workflow)
            await until(lambda: begun)
        await until(lambda: len(begun) == 2)
        await another.signal(execution.id, "go")
        assert (await another.wait(execution.id)).status == "Completed"


async def test_signal_of_the_system_ends_serving_and_its_handler_goes_with_it(path: Path, until: Until) -> None:
    @task
    async def greet(context: Context) -> None:
        context["greeted"] = True

    greeting = Workflow("greeting", tasks=[greet])
    before = signal.getsignal(signal.SIGTERM)
    results: list[Any] = []

    def submit() -> None:
        with Client(path) as client:
            results.append(client.submit("greeting").wait().context)
        os.kill(os.getpid(), signal.SIGTERM)

    async with anyio.create_task_group() as group, AsyncRunner(path) as runner:
        group.start_soon(anyio.to_thread.run_sync, submit)
        await runner.serve(greeting)
        assert signal.getsignal(signal.SIGTERM) is before
    assert results == [{"greeted": True}]


def test_blocking_runner_serves_until_a_signal_or_stop(path: Path) -> None:
    @task
    def greet(context: Context) -> None:
        context["greeted"] = True

    greeting = Workflow("greeting", tasks=[greet])

    def submit(then: Any) -> None:
        with Client(path) as client:
            assert client.submit("greeting").wait().context == {"greeted": True}
        then()

    with Runner(path) as runner:
        for then in (lambda: os.kill(os.getpid(), signal.SIGTERM), runner.stop):
            thread = threading.Thread(target=submit, args=(then,))
            thread.start()
            runner.serve(greeting)
            thread.join()


@pytest.mark.parametrize("way", ["resume", "retry", "retry in memory"])
async def test_what_somebody_asks_a_runner_for_counts_as_submitted_to_it(path: Path, way: str) -> None:
    may_end = False

    @task
    async def works(context: Context, handle: TaskHandle) -> None:
        if not may_end:
            await handle.wait_for("go") if way == "resume" else context["missing"]

    workflow = Workflow("works", tasks=[works])
    async with AsyncRunner("sqlite://" if way == "retry in memory" else path, on_exit="leave") as runner:
        first, other = await runner.submit_many(workflow, [None] * 2)
        if way != "resume":
            assert (await first.wait()).status == (await other.wait()).status == "Failed"
        if way == "retry in memory":
            may_end = True
            assert await runner.retry(first.id)
            assert (await runner.wait(first.id)).status == "Completed"
            return
    may_end = True
    async with AsyncRunner(path, take_up=False) as later:
        later.register(workflow)
        if way == "resume":
            with pytest.raises(UnknownExecution, match="one of 'works'"):
                await later.resume(Workflow("another", tasks=[works]), first.id)
            assert not (await later.resume("works", first.id)).is_over
        else:
            assert await later.retry(first.id)
    with Client(path) as client:
        assert client.wait(first.id, timeout=0).status == "Completed"
        assert client.execution(other.id).status != "Completed"


@pytest.mark.parametrize("context", [None, {"n": 2}])
async def test_runner_at_work_retries_what_has_ended_when_another_process_asks_for_it(
    path: Path, context: dict[str, int] | None
) -> None:
    @task
    async def fails(context: Context) -> None:
        context["n"] += 1
        if context["n"] < 3:
            raise ValueError

    async with AsyncRunner(path, on_exit="leave") as runner:
        execution = await runner.submit(Workflow("fails", tasks=[fails]), {"n": 1})
        assert (await execution.wait()).status == "Failed"
        async with AsyncClient(path) as client:
            assert await client.retry(execution.id, context)
            events = await _until_ended_again(client, execution.id)
            assert (await client.execution(execution.id)).status == ("Failed" if context is None else "Completed")
            (asked,) = await client.signals(execution.id, kind="retry")
            assert asked.consumed_at is not None
    assert [number for number, _ in events] == list(range(1, len(events) + 1))


async def _until_ended_again(client: AsyncClient, execution_id: str) -> list[tuple[int, EventType]]:
    """Return the events of an execution when it has ended after it was retried."""
    with anyio.fail_after(60):
        while True:
            events = [(event.number, event.type) for event in await client.events(execution_id)]
            kinds = [kind for _, kind in events]
            if EventType.EXECUTION_RETRIED in kinds and kinds[-1] in {
                EventType.EXECUTION_FAILED,
                EventType.EXECUTION_COMPLETED,
            }:
                return events
            await anyio.sleep(0.01)


async def test_execution_that_was_taken_up_and_then_asked_for_is_waited_for(path: Path, until: Until) -> None:
    @task
    async def waits(context: Context, handle: TaskHandle) -> None:
        await handle.wait_for("go")

    workflow = Workflow("waits", tasks=[waits])
    with Client(path) as client:
        execution = client.submit("waits")
    async with anyio.create_task_group() as group, AsyncRunner(path) as runner:
        runner.register(workflow)

        async def is_taken_up() -> bool:
            return bool(await runner.waits(execution.id, phase="waiting"))

        async def signal_when_it_is_left() -> None:
            claiming = runner._engine._claiming
            assert claiming is not None
            await until(lambda: claiming._is_stopped)
            async with AsyncClient(path) as client:
                await client.signal(execution.id, "go")

        await until(is_taken_up)
        await runner.resume(workflow, execution.id)
        group.start_soon(signal_when_it_is_left)
    with Client(path) as client:
        assert client.execution(execution.id).status == "Completed"
