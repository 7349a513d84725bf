"""The threads of `def` tasks: a task for which none can be started, and threads that nobody needs any more."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Protocol

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from tests.integration.conftest import Until

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    Context,
    ExecutionStatus,
    RetryPolicy,
    Runner,
    TaskHandle,
    ThreadUnavailable,
    Workflow,
    task,
)
from cloacina.store import threads


class CountThreads(Protocol):
    """Counts the threads of tasks that were started since the test began."""

    def __call__(self) -> int: ...


@pytest.fixture
def task_threads() -> CountThreads:
    """Return a function that counts the threads of tasks, without those that other tests left behind."""
    before = set(threading.enumerate())
    return lambda: sum(thread.name == "cloacina-task" for thread in set(threading.enumerate()) - before)


@pytest.mark.parametrize("attempts", [1, 2])
@pytest.mark.parametrize("slot_comes_from", ["the submission", "another body"])
async def test_a_task_for_which_no_thread_can_be_started_fails_alone(
    slot_comes_from: str,
    attempts: int,
    task_threads: CountThreads,
    monkeypatch: pytest.MonkeyPatch,
    until: Until,
) -> None:
    start, refused = threading.Thread.start, list[threading.Thread]()

    def start_all_but_one(thread: threading.Thread) -> None:
        if thread.name == "cloacina-task" and task_threads() == 2 and not refused:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_all_but_one)
    may_end = threading.Event()

    @task
    async def first(context: Context) -> None:
        await anyio.lowlevel.checkpoint()

    @task(
        dependencies=[first] if slot_comes_from == "another body" else [], retry=RetryPolicy(attempts=attempts, delay=0)
    )
    def work(context: Context) -> None:
        may_end.wait(20)

    workflow = Workflow("work", tasks=[first, work] if slot_comes_from == "another body" else [work])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=3) as runner:
        executions = [await runner.submit(workflow) for _ in range(3)]
        await until(lambda: refused)
        may_end.set()
        results = [await execution.wait() for execution in executions]
        (await runner.execute(workflow)).raise_for_status()
        assert runner._engine._resources.slots.available == 3
    errors = [result.error for result in results if result.error is not None]
    assert [(error.task_id, error.code) for error in errors] == [("work", "CLO-1308")] * (2 - attempts)
    assert len(refused) == 1


async def test_the_threads_of_a_burst_end(
    task_threads: CountThreads, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    is_over = threading.Event()

    @task
    def waits(context: Context, handle: BlockingTaskHandle) -> None:
        handle.defer_until(is_over.is_set, poll_interval_ms=1)

    async def burst(size: int) -> None:
        is_over.clear()
        executions = await runner.submit_many(Workflow("waits", tasks=[waits]), [None] * size)
        await until(lambda: task_threads() == size)
        is_over.set()
        for execution in executions:
            assert (await execution.wait()).status is ExecutionStatus.COMPLETED

    async with AsyncRunner("sqlite://", max_concurrent_tasks=2) as runner:
        # As many stay as bodies can start at once …
        monkeypatch.setattr(threads, "_IDLE_SECONDS", 600.0)
        await burst(40)
        await until(lambda: task_threads() <= 2)
        # … and those only for a while.
        monkeypatch.setattr(threads, "_IDLE_SECONDS", 0.001)
        await burst(5)
        await until(lambda: task_threads() == 0)


@pytest.mark.parametrize("name", ["cloacina-store", "cloacina-writer", "cloacina-listener", "cloacina-runner"])
async def test_a_runner_whose_own_threads_cannot_be_started_is_not_entered(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, until: Until
) -> None:
    before = set(threading.enumerate())
    refuse_thread(name, monkeypatch)
    with pytest.raises(ThreadUnavailable, match=name):
        if name == "cloacina-runner":
            Runner(tmp_path / "runs.db").__enter__()
        else:
            await AsyncRunner(tmp_path / "runs.db").__aenter__()
    await until(lambda: not [found for found in set(threading.enumerate()) - before if "cloacina" in found.name])
    # The next one may be entered, as soon as there are threads again.
    monkeypatch.undo()
    async with AsyncRunner(tmp_path / "runs.db") as runner:
        assert await runner.executions() == []


async def test_a_query_without_a_thread_fails_alone_and_leaving_needs_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    @task
    async def work(context: Context) -> None:
        context["done"] = True

    async with AsyncRunner(tmp_path / "runs.db") as runner:
        refuse_thread("cloacina-reader", monkeypatch)
        with pytest.raises(ThreadUnavailable, match="cloacina-reader"):
            await runner.executions()
        assert (await runner.execute(Workflow("work", tasks=[work]))).status is ExecutionStatus.COMPLETED
        refuse_thread("cloacina-store", monkeypatch)
    monkeypatch.undo()
    assert {path.name for path in await anyio.to_thread.run_sync(lambda: list(tmp_path.iterdir()))} == {"runs.db"}


async def test_a_runner_needs_none_of_the_threads_that_user_code_may_hold(tmp_path: Path) -> None:
    @task
    async def steps(context: Context, handle: TaskHandle) -> None:
        context["thread"] = await handle.checkpoint("step", lambda: threading.current_thread().name)

    @task(dependencies=[steps])
    def work(context: Context) -> None:
        context["done"] = True

    limiter = anyio.to_thread.current_default_thread_limiter()
    holders = [object() for _ in range(int(limiter.available_tokens))]
    for holder in holders:
        limiter.acquire_on_behalf_of_nowait(holder)
    try:
        with anyio.fail_after(20):
            async with AsyncRunner(tmp_path / "runs.db") as runner:
                result = await runner.execute(Workflow("work", tasks=[steps, work]))
                assert result.context == {"thread": "cloacina-task", "done": True}
                assert [record.id for record in await runner.executions()] == [result.id]
    finally:
        for holder in holders:
            limiter.release_on_behalf_of(holder)


def refuse_thread(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no thread of a name be started, as Python does at the limit of the process."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == name:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
