"""Promise 12: a task whose process died is run again from its start, and what it had stored is returned at once."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cloacina import AsyncRunner, Context, Workflow

if TYPE_CHECKING:
    from tests.integration.conftest import Call, Crashed, Scripted

PATIENCE_SECONDS = 170.0

PROGRAM = """
import json, os, signal, sys
from pathlib import Path
import anyio
from cloacina import AsyncRunner, Client, RetryPolicy, Workflow, task

path, effects, turn = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def effect(name):
    with effects.open("a") as file:
        file.write(json.dumps([name, turn]) + "\\n")
    return name

def die_in(a_turn):
    if turn == a_turn:
        os.kill(os.getpid(), signal.SIGKILL)

with Workflow("orders") as orders:

    @task
    def load(context):
        effect("load")
        context["rows"] = 3

    @task(dependencies=[load])
    async def settle(context, handle):
        context["charged"] = await handle.checkpoint("charge", lambda: effect("charge"))
        context["keys"] = [handle.idempotency_key("mail") == f"{handle.task_execution_id()}:mail"]
        context["paid"] = await handle.wait_for("paid")
        die_in(2)
        context["packed"] = await handle.defer_until(lambda: effect("packed"), name="packed")
        context["mails"] = [await handle.checkpoint("mail", lambda: effect("mail"), key=each) for each in "ab"]
        die_in(3)
        context["last"] = await handle.wait_for("paid")

    @task(dependencies=[settle])
    def report(context):
        effect("report")
        context["done"] = True

async def main():
    async with AsyncRunner(path) as runner:
        if turn == 1:
            execution = await runner.submit(orders)
        else:
            (execution,) = await runner.executions()
        print(execution.id, flush=True)
        runner.register(orders)
        result = await runner.wait(execution.id)
        print(json.dumps([result.status, result.context]), flush=True)

anyio.run(main, backend=sys.argv[4])
"""


@contextmanager
def program(source: str, *arguments: object) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", source, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    timer = threading.Timer(PATIENCE_SECONDS, process.kill)
    timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    text = process.stdout.readline().strip()
    if not text:
        pytest.fail(f"the program ended: {process.communicate()[1]}")
    return text


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_execution_outlives_three_processes_and_no_stored_step_is_made_again(tmp_path: Path, backend: str) -> None:
    from cloacina import Client

    path, effects = tmp_path / "runs.db", tmp_path / "effects"

    def made() -> list[list[object]]:
        return [json.loads(text) for text in effects.read_text().splitlines()]

    with program(PROGRAM, path, effects, 1, backend) as first, Client(path) as client:
        execution_id = line(first)
        while not client.waits(execution_id, phase="waiting"):
            assert first.poll() is None
        first.kill()
        first.wait()
        assert made() == [["load", 1], ["charge", 1]]
        client.signal(execution_id, "paid", {"amount": 7})

    with program(PROGRAM, path, effects, 2, backend) as second:
        line(second)
        assert second.wait(PATIENCE_SECONDS) < 0, "it killed itself behind the signal"
    assert made() == [["load", 1], ["charge", 1]]

    with program(PROGRAM, path, effects, 3, backend) as third:
        line(third)
        assert third.wait(PATIENCE_SECONDS) < 0
    mails = [["packed", 3], ["mail", 3], ["mail", 3]]
    assert made() == [["load", 1], ["charge", 1], *mails]

    with program(PROGRAM, path, effects, 4, backend) as fourth, Client(path) as client:
        line(fourth)
        client.signal(execution_id, "paid", "the rest")
        status, context = json.loads(line(fourth))

    assert made() == [["load", 1], ["charge", 1], *mails, ["report", 4]]
    assert status == "Completed"
    assert context == {
        "rows": 3,
        "charged": "charge",
        "keys": [True],
        "paid": {"amount": 7},
        "packed": "packed",
        "mails": ["mail", "mail"],
        "last": "the rest",
        "done": True,
    }


@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_step_that_may_happen_once_and_was_cut_off_is_asked_about_and_not_made_again(
    scripted: Scripted, crashed: Crashed, tmp_path: Path, kind: str
) -> None:
    made: list[str] = []
    is_made, may_end = threading.Event(), threading.Event()

    def charge() -> str:
        made.append("charge")
        is_made.set()
        may_end.wait(PATIENCE_SECONDS)
        return "charged"

    def pays(context: Context) -> Generator[Call, Any, None]:
        context["charge"] = yield "checkpoint", "charge", charge, {"at_most_once": True}

    workflow = Workflow("w", tasks=[scripted(kind, pays)])
    async with AsyncRunner(tmp_path / "w.db") as runner:
        execution = await runner.submit(workflow)
        await anyio.to_thread.run_sync(is_made.wait, PATIENCE_SECONDS)
        path = crashed(tmp_path / "w.db")
        may_end.set()
        (await execution.wait()).raise_for_status()

    async with AsyncRunner(path) as runner:
        runner.register(workflow)
        while not (questions := await runner.questions()):
            await anyio.sleep(0.001)
        await runner.answer(questions[0].id, "charged before")
        result = await runner.wait(execution.id)

    assert made == ["charge"]
    assert result.context == {"charge": "charged before"}
