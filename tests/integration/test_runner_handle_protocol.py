"""`into_slot_token`: the caller takes over the slot, and the handle controls nothing any more."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    Context,
    HandleConsumed,
    NoTaskHandle,
    TaskHandle,
    Workflow,
    return_task_handle,
    take_task_handle,
    task,
)

if TYPE_CHECKING:
    from tests.integration.conftest import Until

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])


def _serving(journal: list[str]) -> Workflow:
    @task
    def serve(context: Context) -> None:
        journal.append("other runs")

    return Workflow("serves", tasks=[serve])


async def test_a_consumed_handle_refuses_everything() -> None:
    @task
    async def consume(context: Context, handle: TaskHandle) -> None:
        token = handle.into_slot_token()
        assert handle.is_consumed
        assert token.is_held()
        with pytest.raises(HandleConsumed):
            await handle.defer_until(lambda: True)
        with pytest.raises(HandleConsumed):
            await handle.wait_all([lambda: True])
        with pytest.raises(HandleConsumed):
            await handle.yield_slot()
        for call in (handle.is_slot_held, handle.task_execution_id, handle.into_slot_token):
            with pytest.raises(HandleConsumed):
                call()
        context["attempt"] = handle.attempt

    async with AsyncRunner("sqlite://") as runner:
        assert (await runner.execute(Workflow("w", tasks=[consume]))).raise_for_status().context == {"attempt": 1}


async def test_a_consumed_blocking_handle_refuses_everything() -> None:
    @task
    def consume(context: Context, handle: BlockingTaskHandle) -> None:
        token = handle.into_slot_token()
        assert handle.is_consumed
        assert token.is_held()
        for call in (
            lambda: handle.defer_until(lambda: True),
            lambda: handle.wait_any([lambda: True]),
            handle.yield_slot,
            handle.is_slot_held,
            handle.task_execution_id,
            handle.into_slot_token,
        ):
            with pytest.raises(HandleConsumed):
                call()
        context["attempt"] = handle.attempt

    async with AsyncRunner("sqlite://") as runner:
        assert (await runner.execute(Workflow("w", tasks=[consume]))).raise_for_status().context == {"attempt": 1}


@_BOTH_KINDS
async def test_the_slot_goes_with_the_token(kind: str) -> None:
    journal: list[str] = []
    has_released, other_ran = threading.Event(), threading.Event()

    @task
    def other(context: Context) -> None:
        journal.append("other runs")
        other_ran.set()

    @task(id="consume")
    async def consume(context: Context, handle: TaskHandle) -> None:
        token = handle.into_slot_token()
        assert token.release()
        assert not token.release()
        has_released.set()
        while not other_ran.is_set():
            await anyio.sleep(0.001)
        await token.reclaim()
        assert token.is_held()
        journal.append("goes on")

    @task(id="consume")
    def consume_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        token = handle.into_slot_token()
        assert token.release()
        assert not token.release()
        has_released.set()
        other_ran.wait(20)
        token.reclaim()
        assert token.is_held()
        journal.append("goes on")

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("w", tasks=[consume if kind == "async def" else consume_blocking]))
        (await runner.execute(Workflow("others", tasks=[other]))).raise_for_status()
        (await execution.wait()).raise_for_status()
        (await runner.execute(_serving(journal))).raise_for_status()
    assert journal == ["other runs", "goes on", "other runs"]


@_BOTH_KINDS
async def test_a_token_that_outlives_its_task_keeps_the_slot_until_it_is_lost(kind: str, until: Until) -> None:
    journal: list[str] = []
    kept: list[Any] = []

    @task(id="consume")
    async def consume(context: Context, handle: TaskHandle) -> None:
        kept.append(handle.into_slot_token())

    @task(id="consume")
    def consume_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        kept.append(handle.into_slot_token())

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        workflow = Workflow("w", tasks=[consume if kind == "async def" else consume_blocking])
        (await runner.execute(workflow)).raise_for_status()
        execution = await runner.submit(_serving(journal))
        assert (await runner.tasks(execution.id))[0].status == "Ready"
        kept.clear()
        gc.collect()
        (await execution.wait(timeout=20)).raise_for_status()


@_BOTH_KINDS
@pytest.mark.parametrize("ending", ["returns", "raises"])
async def test_a_token_that_the_body_loses_frees_the_slot(kind: str, ending: str) -> None:
    @task(id="consume")
    async def consume(context: Context, handle: TaskHandle) -> None:
        token = handle.into_slot_token()
        await anyio.lowlevel.checkpoint()
        if ending == "raises":
            raise ValueError(token)

    @task(id="consume")
    def consume_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        token = handle.into_slot_token()
        if ending == "raises":
            raise ValueError(token)

    journal: list[str] = []
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        workflow = Workflow("w", tasks=[consume if kind == "async def" else consume_blocking])
        for _ in range(3):
            await runner.execute(workflow)
        await (await runner.submit(_serving(journal))).wait(timeout=20)
    assert journal == ["other runs"]


async def test_a_handle_that_the_body_loses_keeps_its_slot_until_the_body_ends() -> None:
    journal: list[str] = []
    has_lost = anyio.Event()
    may_end = anyio.Event()

    @task
    async def lose(context: Context, handle: TaskHandle) -> None:
        del handle
        gc.collect()
        has_lost.set()
        await may_end.wait()
        journal.append("body ends")

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        await runner.submit(Workflow("loses", tasks=[lose]))
        await has_lost.wait()
        following = await runner.submit(_serving(journal))
        assert (await runner.tasks(following.id))[0].status == "Ready"
        may_end.set()
        await following.wait(timeout=20)
    assert journal == ["body ends", "other runs"]


@_BOTH_KINDS
async def test_the_handle_reaches_the_body_through_a_context_variable(kind: str) -> None:
    seen: list[str] = []

    def look() -> None:
        try:
            take_task_handle()
        except NoTaskHandle:
            seen.append("none to take")

    @task(id="takes")
    async def takes(context: Context, handle: TaskHandle) -> None:
        look()
        return_task_handle(handle)
        assert take_task_handle() is handle
        look()

    @task(id="takes")
    def takes_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        look()
        return_task_handle(handle)
        assert take_task_handle() is handle
        look()

    @task(id="has_none", dependencies=["takes"])
    async def has_none(context: Context) -> None:
        look()

    async with AsyncRunner("sqlite://") as runner:
        workflow = Workflow("w", tasks=[takes if kind == "async def" else takes_blocking, has_none])
        (await runner.execute(workflow)).raise_for_status()
    assert seen == ["none to take"] * 3


@_BOTH_KINDS
async def test_the_handle_tells_who_it_is_for(kind: str) -> None:
    @task(id="tells")
    async def tells(context: Context, handle: TaskHandle) -> None:
        context["told"] = [handle.task_execution_id(), handle.attempt, handle.is_slot_held(), handle.is_consumed]

    @task(id="tells")
    def tells_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        context["told"] = [handle.task_execution_id(), handle.attempt, handle.is_slot_held(), handle.is_consumed]

    async with AsyncRunner("sqlite://") as runner:
        workflow = Workflow("w", tasks=[tells if kind == "async def" else tells_blocking])
        result = (await runner.execute(workflow)).raise_for_status()
        (record,) = await runner.tasks(result.id)
    assert result.context == {"told": [record.id, 1, True, False]}
