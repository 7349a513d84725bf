"""Clients: they submit, send and ask beside a runner, from this process and from another one."""

from __future__ import annotations

import inspect
import math
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import anyio
import anyio.to_thread
import pytest
from pydantic import BaseModel
from sqlalchemy import insert

from cloacina import (
    AsyncClient,
    AsyncRunner,
    Client,
    Context,
    ExecutionEnded,
    InvalidInput,
    InvalidName,
    InvalidOption,
    NotJSONSerializable,
    Runner,
    StoreUnavailable,
    TaskHandle,
    UnknownExecution,
    UnknownWorkflow,
    UnsupportedDatabase,
    Workflow,
    task,
)
from cloacina.store import Database, TaskStatus, changes
from cloacina.store.claims import claim, register_runner
from cloacina.store.connection import Connection
from cloacina.store.ownership import Place, RunnerLock
from cloacina.store.requests import NewExecution, NewTask, submit
from cloacina.store.tables import waits
from cloacina.store.wake import LOOK_SECONDS, Listener

PATIENCE_SECONDS = 60.0
Ask = Callable[..., Awaitable[Any]]


class Order(BaseModel):
    item: str


with Workflow("order", input=Order) as order:

    @task
    def pack(context: Context) -> None: ...

    @task(dependencies=[pack])
    def send(context: Context) -> None: ...


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.db"


@pytest.fixture(params=["Client", "AsyncClient"])
async def ask(request: pytest.FixtureRequest, path: Path) -> Any:
    """Return a function that calls a method of a client of either kind."""
    if request.param == "AsyncClient":
        async with AsyncClient(path) as client:
            yield lambda name, *args, **kwargs: getattr(client, name)(*args, **kwargs)
    else:
        with Client(path) as blocking:
            yield lambda name, *args, **kwargs: anyio.to_thread.run_sync(
                lambda: getattr(blocking, name)(*args, **kwargs), abandon_on_cancel=True
            )


async def on(execution: Any, name: str, *args: Any) -> Any:
    """Call a method of what `submit` has returned."""
    method = getattr(execution, name)
    if inspect.iscoroutinefunction(method):
        return await method(*args)
    return await anyio.to_thread.run_sync(lambda: method(*args))


# ── The methods ──────────────────────────────────────────────────────────────────────────────────────────────────────


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_clients_have_the_methods_of_runners_and_each_others_arguments() -> None:
    assert public(Runner) - public(Client) == {"resume", "serve", "stop"}
    assert public(AsyncRunner) - public(AsyncClient) == {"resume", "serve", "stop"}
    assert public(AsyncClient) - public(Client) == {"aclose"}
    assert public(Client) - public(AsyncClient) == {"close"}
    for name in public(Client) - {"close"}:
        blocking, of_async = (inspect.signature(getattr(kind, name)) for kind in (Client, AsyncClient))
        assert blocking.parameters == of_async.parameters, name


# ── Submitting and waiting ───────────────────────────────────────────────────────────────────────────────────────────


async def test_execution_is_stored_with_its_tasks_or_by_the_name_of_its_workflow(ask: Ask, path: Path) -> None:
    known = await ask("submit", order, {"item": "tea"})
    named = await ask("submit", "order", {"item": 7})
    (many,) = await ask("submit_many", "order", [{"n": 1}])

    assert [task.task_id for task in await ask("tasks", known.id)] == ["pack", "send"]
    assert [task.status for task in await ask("tasks", known.id)] == ["Ready", "Pending"]
    assert await ask("tasks", named.id) == []
    assert (await ask("execution", named.id)).context == {"item": 7}, "who runs it validates it"
    assert [found.id for found in await ask("executions", workflow="order")] == [many.id, named.id, known.id]
    assert [event.type for event in await ask("events", many.id)] == ["execution_created"]
    assert await ask("submit_many", "order", []) == []


async def test_key_is_submitted_once_and_names_its_execution(ask: Ask) -> None:
    first = await ask("submit", order, {"item": "tea"}, key="order-17")
    again = await ask("submit", "order", {"item": "coffee"}, key="order-17")

    assert (first.is_new, again.is_new, again.id) == (True, False, first.id)
    target = ("order", "order-17")
    record = await ask("execution", target)
    assert (record.id, record.key, record.context) == (first.id, "order-17", {"item": "tea"})
    assert await ask("signal", target, "paid", {"amount": 3}, sender="bank")
    assert [found.payload for found in await ask("signals", target)] == [{"amount": 3}]
    assert len(await ask("tasks", target)) == 2
    assert await ask("waits", target) == await ask("questions", target) == await ask("waits") == []
    assert await ask("cancel", target)
    assert (await ask("wait", target)).status == "Cancelled"
    assert await ask("retry", target, {"item": "milk"})
    assert (await ask("execution", target)).context == {"item": "milk"}


async def test_wait_returns_what_was_stored_while_it_waited(ask: Ask, path: Path, until: Any) -> None:
    execution = await ask("submit", order, {"item": "tea"})
    with pytest.raises(TimeoutError, match=rf"{execution.id}' has not ended within 0 s; it goes on"):
        await ask("wait", execution.id, timeout=0)
    results: list[Any] = []

    async def wait() -> None:
        results.append(await on(execution, "wait", PATIENCE_SECONDS))

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        with Client(path) as other:
            await anyio.to_thread.run_sync(other.cancel, execution.id)
        await until(lambda: results)

    (result,) = results
    assert (result.id, result.status) == (execution.id, "Cancelled")
    assert not await on(execution, "cancel")


def delete_all(connection: Connection) -> None:
    for table in ("execution_events", "workflow_executions"):
        connection.alchemy.exec_driver_sql(f"DELETE FROM {table}")


async def test_wait_for_what_is_not_there_or_deleted_raises(ask: Ask, path: Path) -> None:
    with pytest.raises(UnknownExecution, match="'nowhere'"):
        await ask("wait", "nowhere")
    with pytest.raises(UnknownExecution, match="of workflow 'order' with key '17'"):
        await ask("execution", ("order", "17"))
    execution = await ask("submit", "order")
    database = Database.open(path)

    async with anyio.create_task_group() as group:

        async def wait() -> None:
            with pytest.raises(UnknownExecution):
                await ask("wait", execution.id, PATIENCE_SECONDS)

        group.start_soon(wait)
        await anyio.to_thread.run_sync(database.write, delete_all)
    database.close()


# ── Refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("call", "kind", "told"),
    [
        (("submit", order, {"item": 7}), InvalidInput, "item"),
        (("submit", "order", {"item": math.nan}), NotJSONSerializable, "context"),
        (("submit", "no workflow"), InvalidName, "'no workflow'"),
        (("submit", order.graph), UnknownWorkflow, "got"),
        (("signal", "e", "paid", {"a": [math.nan]}), NotJSONSerializable, r"^payload\['a'\]\[0\] is nan"),
        (("signal", "e", "paid", "x" * 1_048_575), InvalidOption, "^payload is JSON of 1048577 characters"),
        (("signal", "e", "not paid"), InvalidName, "name of a signal"),
        (("signal", 17, "paid"), InvalidOption, "named by its id, or by"),
        (("cancel", ("order",)), InvalidOption, r"got \('order',\)"),
        (("answer", "q", {1, 2}), NotJSONSerializable, "^answer is a set"),
        (("retry", "e", {"n": math.inf}), NotJSONSerializable, r"context\['n'\] is inf"),
        (("questions", 17), InvalidOption, "got 17"),
    ],
    ids=lambda value: None,
)
async def test_what_cannot_be_stored_is_refused_first(ask: Ask, call: tuple[Any, ...], kind: type, told: str) -> None:
    with pytest.raises(kind, match=told):
        await ask(*call)

    assert await ask("executions") == []


@pytest.mark.parametrize("key", ["", "x" * 257, 17, "a\0b"], ids=["empty", "long", "number", "nul"])
async def test_keys_and_senders_are_short_texts(ask: Ask, key: Any) -> None:
    for refused in (
        ask("submit", "order", key=key),
        ask("signal", "e", "paid", key=key),
        ask("signal", "e", "paid", sender=key),
        ask("answer", "q", 1, by=key),
    ):
        with pytest.raises(InvalidOption, match="expected a text of 1 to 256 characters"):
            await refused


def test_registered_workflow_validates_what_is_submitted_by_its_name(path: Path) -> None:
    with Client(path) as client:
        client.register(order)
        with pytest.raises(InvalidInput):
            client.submit("order", {"item": 7})
        assert len(client.tasks(client.submit("order", {"item": "tea"}).id)) == 2


def test_client_is_opened_when_it_is_first_used_and_closed_for_good(path: Path) -> None:
    with pytest.raises(UnsupportedDatabase, match="in memory belongs to its runner alone"):
        Client("sqlite://")
    threads = threading.active_count()
    client = Client(path)
    assert not path.exists()

    assert client.executions() == []
    assert threading.active_count() == threads
    client.close()
    client.close()

    with pytest.raises(StoreUnavailable, match="has been closed"):
        client.executions()


# ── Beside a runner, and in other processes ──────────────────────────────────────────────────────────────────────────


async def test_client_reads_what_a_runner_in_this_process_does(ask: Ask, path: Path, until_wait: Any) -> None:
    is_there = threading.Event()

    @task
    async def wait_for_it(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(is_there.is_set, poll_interval_ms=1)
        context["there"] = True

    async with AsyncRunner(path) as runner:
        execution = await runner.submit(Workflow("waiting", tasks=[wait_for_it]))
        await until_wait(runner, execution)
        (wait,) = await ask("waits", phase="waiting")
        assert (wait.execution_id, wait.kind, wait.name) == (execution.id, "condition", "")
        is_there.set()

        result = await ask("wait", execution.id, timeout=PATIENCE_SECONDS)

        assert result == await execution.wait()
        with pytest.raises(ExecutionEnded):
            await ask("signal", execution.id, "late")


@pytest.fixture
def run(path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Return a function that starts a program with a client of the database in another process."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str) -> subprocess.Popen[str]:
        source = f"import sys, cloacina\nwith cloacina.Client({str(path)!r}) as client:\n    {program}"
        process = subprocess.Popen(
            [sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    """Return what a program prints until its end."""
    printed, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    return printed.strip()


def test_of_several_processes_with_one_key_one_submits(run: Any, path: Path) -> None:
    racing = (
        "print('ready', flush=True); sys.stdin.readline(); e = client.submit('order', key='17'); print(e.id, e.is_new)"
    )
    processes = [run(racing) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()

    submitted = [said(process).split() for process in processes]

    assert len({execution_id for execution_id, _ in submitted}) == 1
    assert sorted(is_new for _, is_new in submitted) == ["False", "True"]


def test_another_process_hears_of_the_end(run: Any, path: Path) -> None:
    with Client(path) as client:
        execution = client.submit("order")
        waiting = run(f"print('ready', flush=True); print(client.wait({execution.id!r}).status)")
        assert waiting.stdout.readline() == "ready\n"

        execution.cancel()

        assert said(waiting) == "Cancelled"


@pytest.fixture
def looks(path: Path) -> Iterator[SimpleQueue[bool]]:
    """Let a runner own an execution that asks a question; return where it notes its looks, and if it was woken."""
    noted: SimpleQueue[bool] = SimpleQueue()
    listener = Listener(path, "r", noted.put, lambda error: noted.put(bool(error)))

    def own(connection: Connection) -> None:
        register_runner(connection, "r", Place.here(), 1.0, listener.address, 4, "1")
        new = NewExecution("e", "order", "v", "{}", [NewTask("t", "ship", TaskStatus.READY)])
        submit(connection, [new], 1.0, runner_id="r")
        wait = {"id": "q", "execution_id": "e", "task_execution_id": "t", "task_id": "ship", "phase": "waiting"}
        question = changes.question("Ship it?", {"type": "boolean"}, ["ada"])
        row = wait | {"kind": "question", "started_at": 1.0, "question": question}
        connection.execute(insert(waits).values(row))

    lock = RunnerLock.take(path, "r")
    database = Database.open(path)
    database.write(own)
    database.close()
    listener.start()
    assert noted.get(timeout=PATIENCE_SECONDS)
    yield noted
    listener.close()
    lock.release()


def test_what_another_process_asks_for_is_stored_when_the_runner_is_woken(
    run: Any, path: Path, looks: SimpleQueue[bool]
) -> None:
    other = run("[print(bool(eval(line)), flush=True) for line in sys.stdin]")
    with Client(path) as client:
        (question,) = client.questions()
        assert (question.id, question.text, question.addressees) == ("q", "Ship it?", ("ada",))
        expected: dict[str, Callable[[], bool]] = {
            "signal('e', 'paid', [1])": lambda: client.signals("e")[-1].payload == [1],
            "answer('q', True, by='ada')": lambda: client.questions() == [],
            "cancel('e')": lambda: client.signals("e")[-1].kind == "cancel",
            "submit('order')": lambda: len(client.executions()) == 2,
        }
        for call, is_there in expected.items():
            other.stdin.write(f"client.{call}\n")
            other.stdin.flush()
            # Others are looks of its own, four times a second.
            assert any(looks.get(timeout=PATIENCE_SECONDS) for _ in range(int(PATIENCE_SECONDS / LOOK_SECONDS))), call
            assert is_there(), call
            assert other.stdout.readline() == "True\n", call


def test_what_a_client_has_submitted_is_claimed_by_the_runner_that_knows_it(path: Path) -> None:
    with Client(path) as client:
        execution = client.submit(order, {"item": "tea"})
    database = Database.open(path)

    (claimed,) = database.write(claim, "r", ["order"], 9, 1.0)

    database.close()
    assert (claimed.id, claimed.context, claimed.events) == (execution.id, '{"item":"tea"}', 1)
