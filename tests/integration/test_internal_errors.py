"""An error of the engine's own, such as one of memory, fails the execution that it came up with, and no other."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cloacina import AsyncRunner, BlockingTaskHandle, Context, TaskHandle, Workflow, task
from cloacina.engine import Engine
from cloacina.execution.attempt import Attempt
from cloacina.execution.task_execution import TaskExecution
from cloacina.execution.waiting.wait import Wait
from cloacina.scheduling.contexts import Contexts
from cloacina.scheduling.execution_run import ExecutionRun
from cloacina.scheduling.merging import ContextMerger
from cloacina.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloacina import Execution

BREAKING: list[tuple[type, str]] = [
    (Wait, "_on"),
    (Wait, "_take"),
    (Wait, "_is_met"),
    (Attempt, "show_deferred"),
    (Attempt, "show_resuming"),
    (Attempt, "_start_clock"),
    (Attempt, "_judge"),
    (Attempt, "_end_what_was_left_behind"),
    (TaskExecution, "finish"),
    (ContextMerger, "after"),
    (ContextMerger, "join"),
    (ExecutionRun, "_attempt"),
    (ExecutionRun, "_is_ready"),
    (ExecutionRun, "_finish"),
    (ExecutionRun, "judge"),
    (Contexts, "see"),
    (Contexts, "final"),
    (Contexts, "completed"),
]


def condition() -> Callable[[], bool]:
    """Return a condition that is met by the second call."""
    answers = iter([False, True])
    return lambda: next(answers)


@task
async def write(context: Context, handle: TaskHandle) -> None:
    await handle.defer_until(condition(), poll_interval_ms=1)
    context["written"] = True


@task(id="write")
def write_blocking(context: Context, handle: BlockingTaskHandle) -> None:
    handle.defer_until(condition(), poll_interval_ms=1)
    context["written"] = True


@task(dependencies=["write"])
async def read(context: Context) -> None:
    assert context["written"]


def break_once(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
    """Let the next call of a method raise."""
    whole = inspect.getattr_static(owner, name)

    def broken(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(owner, name, whole)
        raise MemoryError(name)

    monkeypatch.setattr(owner, name, broken)


@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize(("owner", "name"), BREAKING, ids=[name for _, name in BREAKING])
async def test_an_error_of_the_engine_fails_the_one_execution(
    owner: type, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow = Workflow("works", tasks=[write if kind == "async def" else write_blocking, read])
    # In virtual time, so that a body that is counted wrong keeps the second execution waiting for ever.
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=VirtualClock()) as runner:
        break_once(monkeypatch, owner, name)
        first = await runner.submit(workflow)
        second = await runner.submit(workflow)
        result = await first.wait()
        assert result.status == "Failed"
        assert result.error is not None
        assert (result.error.type, result.error.message) == ("MemoryError", name)
        stored = {record.id: record for record in await runner.executions()}[first.id]
        assert (stored.status, stored.error) == ("Failed", result.error)
        assert all(record.status.is_final for record in await runner.tasks(first.id))
        assert (await second.wait()).status == "Completed"  # by the slot that the first one gave back


async def test_a_condition_that_cannot_be_called_fails_its_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        break_once(monkeypatch, Wait, "call")
        result = await runner.execute(Workflow("works", tasks=[write]))
        assert result.error is not None
        assert result.error.type == "cloacina.errors.ConditionError"
        assert "MemoryError: call" in result.error.message
        assert (await runner.execute(Workflow("works", tasks=[write]))).status == "Completed"


@pytest.mark.parametrize("way", ["execute", "submit"])
@pytest.mark.parametrize(("owner", "name"), [(ExecutionRun, "creation"), (ExecutionRun, "__init__")])
async def test_an_execution_that_cannot_be_made_is_told_and_not_waited_for(
    owner: type, name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncRunner("sqlite://") as runner:
        break_once(monkeypatch, owner, name)
        with pytest.raises(MemoryError):
            await getattr(runner, way)(Workflow("works", tasks=[write]))
        assert not len(runner._engine._scheduler)
        assert await runner.executions() == []


def run_of(engine: Engine, execution: Execution) -> ExecutionRun:
    run = engine.find(execution.id)
    assert run is not None
    return run


async def test_an_execution_that_is_failed_cancels_what_runs_and_shows_its_first_error() -> None:
    has_begun, cleaned_up = anyio.Event(), anyio.Event()

    @task
    async def work(context: Context) -> None:
        has_begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            cleaned_up.set()

    @task(dependencies=[work])
    async def after(context: Context) -> None: ...

    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("works", tasks=[work, after]))
        await has_begun.wait()
        run = run_of(runner._engine, execution)
        run.fail(OSError("the first"))
        run.fail(OSError("the second"))
        result = await execution.wait()
        assert cleaned_up.is_set()
        assert result.status == "Failed"
        assert result.error is not None
        assert (result.error.task_id, result.error.type, result.error.message) == (None, "OSError", "the first")
        assert [record.status for record in result.tasks.values()] == ["Cancelled", "Cancelled"]
        assert (await runner.executions())[0].error == result.error


async def test_an_execution_whose_end_cannot_be_stored_ends_without_it() -> None:
    @task
    async def work(context: Context, handle: TaskHandle) -> None:
        await anyio.sleep_forever()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        running = await runner.submit(Workflow("works", tasks=[work]))
        queued = await runner.submit(Workflow("works", tasks=[work]))
        run = run_of(runner._engine, queued)
        run.fail(OSError("refused"))
        assert not run.is_over  # Its end is on the way to the store.
        run.fail(OSError("refused again"))
        assert run.is_over
        result = await queued.wait()
        assert result.status == "Failed"
        assert result.error is not None
        assert result.error.message == "refused"
        await running.cancel()
