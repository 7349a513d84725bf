"""What runs of a user's code when an attempt has ended runs in threads: the loop goes on, and can end the execution."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import UserDict
from datetime import timedelta
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from pydantic import BaseModel, field_validator

from cloacina import AsyncRunner, Context, RetryPolicy, StoreWriteFailed, TaskHandle, Workflow, task
from cloacina.large_json import LARGE_TEXT
from cloacina.scheduling import execution_run
from cloacina.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import Until

pytestmark = pytest.mark.anyio

PATIENCE_SECONDS = 20.0


class Held:
    """A user's function that does not return until it is let go."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.is_in = threading.Event()
        self.may_go = threading.Event()

    def __call__(self) -> None:
        """Note the thread, and wait."""
        self.threads.append(threading.get_ident())
        self.is_in.set()
        self.may_go.wait(PATIENCE_SECONDS)


class Telling(Exception):
    """Runs code when it is shown."""

    def __init__(self, held: Held) -> None:
        super().__init__()
        self.held = held

    def __str__(self) -> str:
        self.held()
        return "told"


class Rows(list[Any]):
    """Runs code when it is encoded."""

    def __init__(self, held: Held) -> None:
        super().__init__([1])
        self.held = held
        self.is_written = False

    def __iter__(self) -> Any:
        if self.is_written:
            self.held()
        return super().__iter__()


def ends_with(function: str, held: Held) -> Workflow:
    """Return a workflow at whose end a function of the user's is called."""

    def hold(_: object) -> int:
        held()
        return 7

    def writing(name: str, value: Any) -> Callable[..., Any]:
        @task(id=name)
        async def write(context: Context) -> None:
            context["key"] = value

        return write

    def body(context: Context) -> None:
        if function == TIMED_OUT:
            held.may_go.wait(PATIENCE_SECONDS)
            return
        if function.endswith("__str__"):
            raise Telling(held)
        if function.endswith("retry_on"):
            raise ValueError
        context["rows"] = rows = Rows(held)
        rows.is_written = True

    async def async_body(context: Context) -> None:
        body(context)

    if function == "merge at a join":

        @task(dependencies=["one", "other"])
        async def join(context: Context) -> None: ...

        return Workflow("joins", tasks=[writing("one", 1), writing("other", 2), join], merge={"key": hold})
    if function == "merge at the end":
        return Workflow("ends", tasks=[writing("one", 1), writing("other", 2)], merge={"key": hold})

    def is_no(_: Exception) -> bool:
        held()
        return False

    policy = RetryPolicy(attempts=2, delay=0, retry_on=is_no)
    decorate = task(id="last", retry=policy, timeout=0.001 if function == TIMED_OUT else None)
    is_async = function.startswith("async")
    return Workflow("judged", tasks=[decorate(async_body) if is_async else decorate(body)])


TIMED_OUT = "def, timed out: retry_on"

FUNCTIONS = [
    "def: retry_on",
    "async def: retry_on",
    "def: __str__",
    "async def: __str__",
    "def: __iter__",
    "async def: __iter__",
    "merge at a join",
    "merge at the end",
]


@task
async def nothing(context: Context) -> None: ...


@pytest.mark.parametrize("function", [*FUNCTIONS, TIMED_OUT])
async def test_the_loop_goes_on_while_a_function_of_the_user_is_called(function: str, until: Until) -> None:
    held = Held()
    async with AsyncRunner("sqlite://", max_concurrent_tasks=2) as runner:
        execution = await runner.submit(ends_with(function, held))
        await until(held.is_in.is_set)
        (await runner.execute(Workflow("other", tasks=[nothing]))).raise_for_status()
        (record,) = await runner.executions(workflow=(await runner.executions())[1].workflow)
        assert record.status == "Running"
        held.may_go.set()
        result = await execution.wait()
    assert threading.get_ident() not in held.threads
    expected = "Completed" if function.startswith("merge") or function.endswith("__iter__") else "Failed"
    assert result.status == expected
    if function.startswith("merge"):
        assert result.context == {"key": 7}


@pytest.mark.parametrize("function", [*FUNCTIONS, TIMED_OUT])
@pytest.mark.parametrize("how", ["is cancelled", "is left", "has broken down"])
async def test_an_execution_ends_while_a_function_of_the_user_hangs(function: str, how: str, until: Until) -> None:
    held = Held()
    workflow = ends_with(function, held)
    with anyio.fail_after(PATIENCE_SECONDS):
        try:
            async with AsyncRunner("sqlite://", max_concurrent_tasks=2) as runner:
                execution = await runner.submit(workflow)
                await until(held.is_in.is_set)
                if how == "is left":
                    raise InterruptedError
                if how == "has broken down":
                    runner._engine._scheduler.break_down(StoreWriteFailed("no more"))
                    with pytest.raises(StoreWriteFailed):
                        await execution.wait()
                else:
                    assert await execution.cancel()
                    result = await execution.wait()
                    assert result.status == "Cancelled"
                    assert result.context.get("key") is None
                    assert not await execution.cancel()
                    held.may_go.set()
                    # What it returns comes to nothing, and the slot is there again.
                    for _ in range(3):
                        (await runner.execute(Workflow("other", tasks=[nothing]))).raise_for_status()
                    (record,) = await runner.executions(workflow=workflow.name)
                    assert record.status == "Cancelled"
        except (InterruptedError, StoreWriteFailed):
            assert how != "is cancelled"
        finally:
            held.may_go.set()


async def test_many_tasks_that_see_the_same_ask_a_merge_function_once(until: Until) -> None:
    calls: list[list[int]] = []

    def writing(name: str, value: int) -> Callable[..., Any]:
        @task(id=name)
        async def write(context: Context) -> None:
            context["key"] = value

        return write

    def reading(number: int) -> Callable[..., Any]:
        @task(id=f"reads{number}", dependencies=["one", "other"])
        async def read(context: Context) -> None:
            context[f"seen{number}"] = context["key"]

        return read

    def merge(values: list[int]) -> int:
        calls.append(values)
        return sum(values)

    readers = [reading(number) for number in range(5)]
    workflow = Workflow("joins", tasks=[writing("one", 1), writing("other", 2), *readers], merge={"key": merge})
    async with AsyncRunner("sqlite://") as runner:
        result = (await runner.execute(workflow)).raise_for_status()
    assert result.context == {"key": 3, **{f"seen{number}": 3 for number in range(5)}}
    assert calls == [[1, 2], [1, 2]]  # Once for those that join, once for the result.


@pytest.mark.parametrize("function", FUNCTIONS)
async def test_virtual_time_stands_still_while_a_function_of_the_user_is_called(function: str, until: Until) -> None:
    held = Held()
    clock = VirtualClock()

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(lambda: clock.elapsed >= timedelta(hours=1), poll_interval_ms=3_600_000)

    async with AsyncRunner("sqlite://", max_concurrent_tasks=3, clock=clock) as runner:
        waiting = await runner.submit(Workflow("waits", tasks=[wait]))
        execution = await runner.submit(ends_with(function, held))
        await until(held.is_in.is_set)
        before = clock.elapsed
        for _ in range(100):
            await anyio.lowlevel.checkpoint()
        assert clock.elapsed == before
        held.may_go.set()
        await execution.wait()
        (await waiting.wait()).raise_for_status()


@pytest.mark.parametrize("what", ["an input model", "a large context", "many contexts"])
async def test_initial_context_is_encoded_while_the_loop_goes_on(what: str) -> None:
    held = Held()

    class Input(BaseModel):
        rows: list[int] = []

        @field_validator("rows")
        @classmethod
        def look(cls, rows: list[int]) -> list[int]:
            held()
            return rows

    class Telltale(UserDict[str, Any]):
        def __iter__(self) -> Any:
            held()
            return super().__iter__()

    @task
    async def count(context: Context) -> None:
        context["count"] = len(context["rows"])

    workflow = Workflow("counting", tasks=[count], input=Input if what == "an input model" else None)
    contexts: list[Any] = [{"rows": [1]}]
    if what == "a large context":
        contexts = [Telltale(rows=[1])]
    elif what == "many contexts":
        contexts = [{"rows": [1]} for _ in range(11_000)] + [Telltale(rows=[1])]
    async with AsyncRunner("sqlite://") as runner, anyio.create_task_group() as group:
        group.start_soon(runner.submit_many, workflow, contexts)
        await anyio.to_thread.run_sync(held.is_in.wait, PATIENCE_SECONDS)
        assert held.is_in.is_set()
        held.may_go.set()
    assert threading.get_ident() not in held.threads


async def test_large_result_is_decoded_while_the_loop_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held()

    def decode(text: str) -> Any:
        held()
        return len(text)

    monkeypatch.setattr(execution_run, "decode", decode)

    @task
    async def write(context: Context) -> None:
        context["text"] = "x" * LARGE_TEXT

    async with AsyncRunner("sqlite://") as runner, anyio.create_task_group() as group:
        group.start_soon(runner.execute, Workflow("w", tasks=[write]))
        await anyio.to_thread.run_sync(held.is_in.wait, PATIENCE_SECONDS)
        held.may_go.set()
    assert held.threads
    assert threading.get_ident() not in held.threads


@pytest.mark.parametrize(
    "call",
    [
        "wait_for('s', model=int, timeout=0, default=0)",
        "wait_any([Signal('s', int)], timeout=0, default=0)",
        "wait_all([Signal('s', int)], timeout=0, default=0)",
        "request_input('?', model=int, timeout=0, default=0)",
        "checkpoint('c', lambda: 1, model=int)",
    ],
)
def test_what_reads_values_by_a_model_is_imported_in_a_thread(call: str) -> None:
    program = f"""
        import sys, threading
        from cloacina import Runner, Signal, TaskHandle, Workflow, task

        class Finder:
            def find_spec(self, name, path=None, target=None):
                if name == "pydantic":
                    importers.append(threading.get_ident())

        importers, loops = [], []
        sys.meta_path.insert(0, Finder())

        @task
        async def wait(context, handle: TaskHandle):
            loops.append(threading.get_ident())
            await handle.{call}

        with Runner("sqlite://") as runner:
            runner.execute(Workflow("w", tasks=[wait])).raise_for_status()
        assert len(importers) == 1, importers
        assert importers != loops
    """
    ended = subprocess.run(
        [sys.executable, "-c", dedent(program)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
