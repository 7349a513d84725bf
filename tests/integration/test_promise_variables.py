"""Bodies see the context variables of the submitter, conditions those of the body, and nobody those of another body."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import anyio
import anyio.lowlevel
import pytest

from cloacina import AsyncRunner, BlockingTaskHandle, Context, Runner, TaskHandle, Workflow, task

request_id: ContextVar[str] = ContextVar("request_id", default="none")


async def test_bodies_see_the_variables_of_who_submitted_the_execution() -> None:
    @task
    async def one(context: Context) -> None:
        context["async"] = request_id.get()

    @task
    def two(context: Context) -> None:
        context["blocking"] = request_id.get()

    workflow = Workflow("variables", tasks=[one, two])
    async with AsyncRunner("sqlite://") as runner:
        request_id.set("first")
        first = await runner.submit(workflow)
        request_id.set("second")
        second = await runner.submit(workflow)
        assert (await first.wait()).context == {"async": "first", "blocking": "first"}
        assert (await second.wait()).context == {"async": "second", "blocking": "second"}


def test_bodies_see_the_variables_of_the_thread_that_called_the_runner() -> None:
    @task
    async def one(context: Context) -> None:
        context["async"] = request_id.get()

    @task
    def two(context: Context) -> None:
        context["blocking"] = request_id.get()

    token = request_id.set("of the caller")
    try:
        with Runner("sqlite://") as runner:
            result = runner.execute(Workflow("variables", tasks=[one, two]))
    finally:
        request_id.reset(token)
    assert result.context == {"async": "of the caller", "blocking": "of the caller"}


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_what_a_body_sets_is_seen_by_no_other_body(kind: str) -> None:
    @task(id="leak")
    async def leak(context: Context) -> None:
        context["seen"] = request_id.get()
        request_id.set("leaked")

    @task(id="leak")
    def leak_blocking(context: Context) -> None:
        context["seen"] = request_id.get()
        request_id.set("leaked")

    workflow = Workflow("leaks", tasks=[leak if kind == "async def" else leak_blocking])
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        request_id.set("mine")
        for _ in range(5):
            assert (await runner.execute(workflow)).context == {"seen": "mine"}
    assert request_id.get() == "mine"


async def test_a_dependent_does_not_see_what_its_dependency_set() -> None:
    @task
    async def first(context: Context) -> None:
        request_id.set("of the first")

    @task(dependencies=[first])
    async def second(context: Context) -> None:
        context["seen"] = request_id.get()

    async with AsyncRunner("sqlite://") as runner:
        request_id.set("of the submitter")
        result = await runner.execute(Workflow("chain", tasks=[first, second]))
    assert result.context == {"seen": "of the submitter"}


@pytest.mark.parametrize("kind", ["async def", "def"])
@pytest.mark.parametrize("shape", ["def", "async def", "returns a coroutine", "wait_any", "wait_all"])
async def test_conditions_see_the_variables_of_the_body(kind: str, shape: str) -> None:
    seen: list[str] = []

    def condition() -> bool:
        seen.append(request_id.get())
        return len(seen) >= 3

    async def condition_async() -> bool:
        await anyio.lowlevel.checkpoint()
        return condition()

    def returning() -> object:
        return condition_async()

    shapes = {"def": condition, "async def": condition_async, "returns a coroutine": returning}

    @task(id="wait")
    async def wait(context: Context, handle: TaskHandle) -> None:
        request_id.set("of the body")
        if shape in shapes:
            await handle.defer_until(shapes[shape], poll_interval_ms=1)
        else:
            await getattr(handle, shape)([condition], poll_interval_ms=1)

    @task(id="wait")
    def wait_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        request_id.set("of the body")
        if shape in shapes:
            handle.defer_until(shapes[shape], poll_interval_ms=1)
        else:
            getattr(handle, shape)([condition], poll_interval_ms=1)

    async with AsyncRunner("sqlite://") as runner:
        request_id.set("of the submitter")
        result = await runner.execute(Workflow("waits", tasks=[wait if kind == "async def" else wait_blocking]))
    result.raise_for_status()
    assert seen == ["of the body"] * 3


async def test_a_body_keeps_its_variables_across_a_wait() -> None:
    is_open = threading.Event()

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        request_id.set("of the body")
        await handle.defer_until(is_open.is_set, poll_interval_ms=1)
        context["seen"] = request_id.get()

    @task
    async def other(context: Context) -> None:
        request_id.set("of another")
        is_open.set()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = await runner.submit(Workflow("waits", tasks=[wait]))
        await runner.execute(Workflow("others", tasks=[other]))
        assert (await execution.wait()).context == {"seen": "of the body"}
