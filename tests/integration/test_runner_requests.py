"""A runner is a client that runs: it takes keys, signals and answers, and asks about executions of others."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import pytest
from sqlalchemy import insert

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    Client,
    Context,
    ExecutionEnded,
    InvalidAnswer,
    InvalidOption,
    QuestionClosed,
    Runner,
    RunnerClosed,
    UnknownExecution,
    Workflow,
    task,
)
from cloacina.store import changes
from cloacina.store.connection import Connection
from cloacina.store.tables import waits

if TYPE_CHECKING:
    from tests.integration.conftest import Until

PATIENCE_SECONDS = 60.0
Ask = Callable[..., Awaitable[Any]]


@task
def count(context: Context) -> None:
    context["count"] = context.get("count", 0) + 1


counting = Workflow("counting", tasks=[count])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


@pytest.fixture(params=["AsyncRunner", "Runner"])
async def ask(request: pytest.FixtureRequest, path: Path) -> Any:
    """Return a function that calls a method of a runner of either kind, or of what it returned."""

    async def call(owner: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        method = getattr(owner, name)
        if inspect.iscoroutinefunction(method):
            return await method(*args, **kwargs)
        return await anyio.to_thread.run_sync(lambda: method(*args, **kwargs), abandon_on_cancel=True)

    def ask_of(runner: Any) -> Ask:
        return lambda name, *args, of=runner, **kwargs: call(of, name, *args, **kwargs)

    if request.param == "AsyncRunner":
        async with AsyncRunner(path) as runner:
            yield ask_of(runner)
    else:
        with Runner(path) as blocking:
            yield ask_of(blocking)


async def test_key_is_run_once_and_names_its_execution(ask: Ask) -> None:
    submitted: list[Any] = []

    async def submit(number: int) -> None:
        submitted.append(await ask("submit", counting, {"n": number}, key="17"))

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(submit, number)
    results = [await ask("wait", of=execution) for execution in submitted]

    assert sorted(execution.is_new for execution in submitted) == [False, False, True]
    assert results[0] == results[1] == results[2]
    assert results[0].context["count"] == 1
    later = await ask("submit", counting, key="17")
    assert (later.id, later.is_new, await ask("wait", of=later)) == (results[0].id, False, results[0])
    assert not await ask("cancel", of=later)
    target = ("counting", "17")
    assert await ask("wait", target) == results[0]
    assert (await ask("execution", target)).key == "17"
    assert [found.task_id for found in await ask("tasks", target)] == ["count"]
    assert len(await ask("executions")) == 1
    with pytest.raises(InvalidOption):
        await ask("submit", counting, key="")


async def test_runner_reaches_executions_that_it_does_not_run(ask: Ask, path: Path, until: Any) -> None:
    with Client(path) as client:
        execution = client.submit("another", {"n": 1}, key="17")
        target = ("another", "17")
        assert await ask("signal", target, "paid", [1], key="k", sender="bank")
        assert not await ask("signal", execution.id, "paid", [2], key="k")
        assert [found.payload for found in await ask("signals", target)] == [[1]]
        results: list[Any] = []

        async def wait() -> None:
            results.append(await ask("wait", target, timeout=PATIENCE_SECONDS))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            assert await ask("cancel", target)
            await until(lambda: results)
        assert results[0].status == "Cancelled"
        with pytest.raises(ExecutionEnded):
            await ask("signal", target, "paid")
        assert await ask("retry", target, {"n": 2})
        assert not await ask("retry", target)
        assert client.execution(target).context == {"n": 2}
    for name, arguments in {"wait": (), "cancel": (), "retry": (), "execution": (), "signal": ("paid",)}.items():
        with pytest.raises(UnknownExecution):
            await ask(name, ("another", "18"), *arguments)
        with pytest.raises(InvalidOption):
            await ask(name, 18, *arguments)


def question(connection: Connection, execution_id: str, task_execution_id: str) -> None:
    asked = changes.question("Ship it?", {"type": "boolean"})
    row = {"id": "q", "execution_id": execution_id, "task_execution_id": task_execution_id, "task_id": "count"}
    row |= {"kind": "question", "phase": "waiting", "question": asked}
    connection.execute(insert(waits).values(row | {"started_at": 1.0}))


async def test_questions_are_answered_once(ask: Ask, path: Path) -> None:
    with Client(path) as client:
        execution = client.submit(counting)
        (counted,) = client.tasks(execution.id)
        client._database.open().write(question, execution.id, counted.id)
    assert [found.text for found in await ask("questions")] == ["Ship it?"]
    with pytest.raises(InvalidAnswer):
        await ask("answer", "q", "yes")

    assert await ask("answer", "q", True, by="ada")

    assert not await ask("answer", "q", True)
    with pytest.raises(QuestionClosed, match="ada has answered"):
        await ask("answer", "q", False)
    assert await ask("questions", execution.id) == []


async def test_submission_whose_caller_is_cancelled_is_run_and_waited_for(path: Path) -> None:
    gate, is_leaving = threading.Event(), anyio.Event()

    async def submit_and_leave() -> None:
        async with AsyncRunner(path) as runner:
            assert runner._engine._store._writer is not None
            runner._engine._store._writer.run(lambda _: gate.wait(PATIENCE_SECONDS))
            async with anyio.create_task_group() as group:

                async def submit() -> None:
                    await runner.submit(counting, key="17")

                group.start_soon(submit)
                await anyio.wait_all_tasks_blocked()
                group.cancel_scope.cancel()
            is_leaving.set()

    async with anyio.create_task_group() as group:
        group.start_soon(submit_and_leave)
        await is_leaving.wait()
        await anyio.wait_all_tasks_blocked()
        gate.set()

    with Client(path) as client:
        assert client.execution(("counting", "17")).status == "Completed"


async def test_key_is_run_by_one_of_the_runners_of_a_file(path: Path) -> None:
    async with AsyncRunner(path) as one, AsyncRunner(path) as two:
        first = await one.submit(counting, key="17")
        again = await two.submit(counting, key="17")

        assert (first.is_new, again.is_new, again.id) == (True, False, first.id)
        assert await again.wait(PATIENCE_SECONDS) == await first.wait()
        assert not await again.cancel()
        assert first.id in repr(again)


async def test_retry_goes_on_from_what_failed(ask: Ask) -> None:
    begun: list[str] = []

    with Workflow("report") as report:

        @task
        async def load(context: Context) -> None:
            begun.append("load")
            context["rows"] = 3

        @task
        async def price(context: Context) -> None:
            begun.append("price")
            if begun.count("price") == 1:
                raise ConnectionError
            context["price"] = 2

        @task(dependencies=[load, price])
        async def total(context: Context) -> None:
            begun.append("total")
            context["total"] = context["rows"] * context["price"]

    failed = await ask("execute", report)
    assert (failed.status, failed.tasks["total"].status) == ("Failed", "Skipped")
    assert await ask("retry", failed.id)
    result = await ask("wait", failed.id, timeout=PATIENCE_SECONDS)

    assert (result.status, result.context) == ("Completed", {"rows": 3, "price": 2, "total": 6})
    assert sorted(begun) == ["load", "price", "price", "total"]


async def test_key_is_run_once_in_memory_too() -> None:
    async with AsyncRunner("sqlite://") as runner:
        first = await runner.submit(counting, key="17")
        again = await runner.submit(counting, key="17")
        assert (again.id, again.is_new) == (first.id, False)
        assert (await again.wait()).context == {"count": 1}
        assert not await runner.retry(first.id)


async def test_runner_that_is_not_open_is_asked_for_nothing(path: Path) -> None:
    runner = AsyncRunner(path)
    for call in (
        runner.submit(counting, key="17"),
        runner.signal("e", "paid"),
        runner.answer("q", True),
        runner.retry("e"),
        runner.questions(),
    ):
        with pytest.raises(RunnerClosed):
            await call


@pytest.mark.parametrize("ends", ["before the retry", "while it goes on again", "after that"])
async def test_thread_that_outlived_its_execution_ends_beside_the_retry_and_takes_no_event_of_it(
    path: Path, until: Until, ends: str
) -> None:
    begun: list[threading.Event] = []
    goes_on, may_end = anyio.Event(), anyio.Event()

    @task
    def stays(context: Context, handle: BlockingTaskHandle) -> None:
        may_return = threading.Event()
        begun.append(may_return)
        if len(begun) == 1:
            may_return.wait(PATIENCE_SECONDS)
            handle.defer_for(3600)  # raises: it was cancelled

    @task(dependencies=[stays])
    async def after(context: Context) -> None:
        goes_on.set()
        await may_end.wait()

    async with AsyncRunner(path) as runner:

        async def is_freed() -> bool:
            return any(event.type == "slot_freed" for event in await runner.events(execution.id))

        execution = await runner.submit(Workflow("stays", tasks=[stays, after]))
        await until(lambda: begun)
        await execution.cancel()
        assert (await execution.wait()).status == "Cancelled"
        if ends == "before the retry":
            begun[0].set()
            await until(is_freed)
        assert await runner.retry(execution.id)
        await goes_on.wait()
        if ends == "while it goes on again":
            begun[0].set()
            await until(is_freed)
        may_end.set()
        assert (await runner.wait(execution.id)).status == "Completed"
        begun[0].set()
        await until(is_freed)
        events = await runner.events(execution.id)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
