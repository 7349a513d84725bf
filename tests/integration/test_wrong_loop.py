"""A runner on another event loop than its own: refused before anything happens, and the runner goes on."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
import trio

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    Context,
    ExecutionStatus,
    Runner,
    RunnerClosed,
    TaskHandle,
    Workflow,
    WrongEventLoop,
    task,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import Until


def until_ended(before: set[threading.Thread]) -> None:
    """Return when all threads have ended that were not there before; one that is being started can't be joined."""
    give_up = time.monotonic() + 60
    while left := set(threading.enumerate()) - before:
        assert time.monotonic() < give_up, left
        time.sleep(0.001)


@task
async def work(context: Context) -> None:
    context["done"] = True


WORK = Workflow("work", tasks=[work])


def _uses(runner: AsyncRunner, execution_id: str) -> list[Callable[[], Awaitable[Any]]]:
    return [
        lambda: runner.execute(WORK),
        lambda: runner.submit(WORK),
        lambda: runner.submit_many(WORK, [None]),
        lambda: runner.wait(execution_id),
        lambda: runner.cancel(execution_id),
        lambda: runner.executions(),
        lambda: runner.tasks(execution_id),
        lambda: runner.events(execution_id),
        lambda: runner.waits(),
        lambda: runner.__aexit__(None, None, None),
    ]


@pytest.mark.parametrize("place", ["asyncio in a thread", "trio in a thread", "inside of the loop"])
async def test_another_loop_is_refused_before_anything_happens(
    place: str, anyio_backend_name: str, until: Until
) -> None:
    other = place.split(maxsplit=1)[0]
    if place == "inside of the loop":
        other = "trio" if anyio_backend_name == "asyncio" else "asyncio"
    may_end = False
    refused: list[str] = []

    @task
    async def waits(context: Context, handle: TaskHandle) -> None:
        handles.append(handle)
        await handle.defer_until(lambda: may_end, poll_interval_ms=1)

    handles: list[TaskHandle] = []
    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("waits", tasks=[waits]))
        await until(lambda: handles)

        async def use() -> None:
            uses = _uses(runner, execution.id)
            uses += [execution.wait, execution.cancel, lambda: handles[0].defer_until(lambda: True)]
            for use in uses:
                with pytest.raises(WrongEventLoop, match="lives on an event loop of thread"):
                    await use()
                refused.append("refused")

        def run() -> None:
            # Not by anyio, which believes the outer loop.
            asyncio.run(use()) if other == "asyncio" else trio.run(use)

        await anyio.to_thread.run_sync(run) if place.endswith("thread") else run()
        assert len(refused) == 13
        assert [record.workflow for record in await runner.executions()] == ["waits"]
        may_end = True
        assert (await runner.execute(WORK)).status is ExecutionStatus.COMPLETED
        assert (await execution.wait()).status is ExecutionStatus.COMPLETED


async def test_what_has_ended_can_be_read_on_any_loop() -> None:
    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(WORK)
        result = await execution.wait()

        async def read() -> None:
            assert await execution.wait() is result
            assert not await execution.cancel()

        await anyio.to_thread.run_sync(lambda: asyncio.run(read()))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_runner_ends_with_its_loop_and_closes_its_database(backend: str, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    runner = AsyncRunner(tmp_path / "runs.db")

    async def enter() -> None:
        await runner.__aenter__()
        await runner.execute(WORK)

    async def leave() -> None:
        with pytest.raises(WrongEventLoop, match="has ended"):
            await runner.execute(WORK)
        with pytest.raises(WrongEventLoop, match="has ended"):
            await runner.__aexit__(None, None, None)
        await runner.__aexit__(None, None, None)

    anyio.run(enter, backend=backend)
    anyio.run(leave, backend=backend)
    until_ended(before)
    assert {path.name for path in tmp_path.iterdir()} == {"runs.db"}  # The log is emptied and gone.


async def test_a_runner_called_on_its_own_loop_would_wait_for_itself_and_is_refused() -> None:
    @task
    async def calls(context: Context) -> None:
        for use in (
            lambda: runner.execute(WORK),
            lambda: runner.executions(),
            lambda: runner.__exit__(None, None, None),
        ):
            with pytest.raises(WrongEventLoop, match="own event loop"):
                use()

    with Runner("sqlite://") as runner:
        runner.execute(Workflow("calls", tasks=[calls])).raise_for_status()
        assert [record.workflow for record in runner.executions()] == ["calls"]


def test_cancelling_all_tasks_of_the_loop_does_not_end_the_runner_s_own() -> None:
    answers = iter([False, True] * 3)

    @task
    async def waits(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(lambda: next(answers), poll_interval_ms=1)

    async def main() -> None:
        async with AsyncRunner("sqlite://") as runner:
            for _ in range(3):
                for found in asyncio.all_tasks() - {asyncio.current_task()}:
                    found.cancel()
                result = await runner.execute(Workflow("waits", tasks=[waits]))
                assert result.status is ExecutionStatus.COMPLETED

    asyncio.run(main())


@pytest.mark.parametrize("way", ["stops it", "raises SystemExit in a job of its own", "cancels all tasks"])
def test_a_body_that_tries_to_end_a_runner_s_own_loop_hangs_nobody(way: str, tmp_path: Path) -> None:
    has_tried = threading.Event()

    async def job() -> None:
        sys.exit(1)

    @task
    async def tries(context: Context) -> None:
        loop = asyncio.get_running_loop()
        if way == "stops it":
            loop.stop()
        elif way == "cancels all tasks":
            for found in asyncio.all_tasks() - {asyncio.current_task()}:
                found.cancel()
        else:
            jobs.append(loop.create_task(job()))
        has_tried.set()
        await anyio.lowlevel.checkpoint()

    jobs: list[asyncio.Task[None]] = []
    with Runner(tmp_path / "runs.db") as runner:
        # The call may be among the tasks that are cancelled, and then it is told.
        with suppress(RunnerClosed):
            runner.submit(Workflow("tries", tasks=[tries]))
        assert has_tried.wait(20)
        assert runner.execute(WORK).status is ExecutionStatus.COMPLETED
    assert all(isinstance(job.exception(), SystemExit) for job in jobs)
    with Runner(tmp_path / "runs.db") as another:
        assert [record.status for record in another.executions()] == [ExecutionStatus.COMPLETED] * 2


@pytest.mark.filterwarnings("ignore:a runner was lost:ResourceWarning")
@pytest.mark.parametrize("face", ["Runner", "asyncio", "trio", "asyncio has ended"])
def test_a_runner_that_is_lost_finishes_what_it_was_given(face: str, tmp_path: Path) -> None:
    before = set(threading.enumerate())

    async def use() -> AsyncRunner | None:
        runner = await AsyncRunner(tmp_path / "runs.db").__aenter__()
        executions = await runner.submit_many(WORK, [None] * 20)
        if face.endswith("ended"):
            await executions[-1].wait()
            return runner
        del runner, executions
        gc.collect()
        with anyio.fail_after(20):
            while set(threading.enumerate()) - before:
                await anyio.sleep(0.001)
        return None

    if face == "Runner":
        runner = Runner(tmp_path / "runs.db").__enter__()
        runner.submit_many(WORK, [None] * 20)
        del runner
    else:
        lost = anyio.run(use, backend=face.split(maxsplit=1)[0])
        del lost
    gc.collect()
    until_ended(before)
    with Runner(tmp_path / "runs.db") as another:
        assert {record.status for record in another.executions()} == {ExecutionStatus.COMPLETED}


async def test_what_controls_a_task_is_safe_from_other_threads_and_refuses_other_loops() -> None:
    @task
    async def has_token(context: Context, handle: TaskHandle) -> None:
        token = handle.into_slot_token()
        await anyio.to_thread.run_sync(token.release)
        while slots.available == 0:
            await anyio.lowlevel.checkpoint()
        with pytest.raises(WrongEventLoop):
            await anyio.to_thread.run_sync(lambda: asyncio.run(token.reclaim()))
        await token.reclaim()
        assert slots.available == 0
        token.release()

    @task(dependencies=[has_token])
    def lends_its_handle(context: Context, handle: BlockingTaskHandle) -> None:
        async def condition() -> bool:
            with pytest.raises(WrongEventLoop, match="would wait for itself"):
                handle.defer_until(lambda: True)
            return True

        handle.defer_until(condition)

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        slots = runner._engine._resources.slots
        (await runner.execute(Workflow("both", tasks=[has_token, lends_its_handle]))).raise_for_status()
        assert slots.available == 1
