"""The commands of clients: what is asked for is stored, said, and told by the exit code.

What depends on the process is tested on a process; the rest calls `main`, which is faster.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from cloacina import Client, Context, Runner, TaskHandle, Workflow, task
from cloacina.cli import main
from cloacina.cli.exit_codes import ExitCode
from cloacina.store import Database, ErrorRecord
from cloacina.store.records import TaskStatus
from cloacina.store.requests import NewExecution, NewTask, submit
from cloacina.store.tables import waits, workflow_executions

QUESTION = {"text": "Ship it?", "schema": {"type": "boolean"}, "addressees": ["ada"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a database with the execution `e` of `order`, of key 17, which asks the question `q`."""
    path = tmp_path / "orders.db"
    database = Database.open(path)

    def ask(connection: Any) -> None:
        tasks = [NewTask("t", "ask", TaskStatus.READY)]
        submit(connection, [NewExecution("e", "order", "v", '{"item": "tea"}', tasks)], 1.0, key="17")
        of_task = {"execution_id": "e", "task_execution_id": "t", "task_id": "ask"}
        asked = {"id": "q", "kind": "question", "phase": "waiting", "started_at": 1.0, "question": json.dumps(QUESTION)}
        connection.execute(insert(waits).values(of_task | asked))

    database.write(ask)
    database.close()
    return path


@pytest.fixture
def invoke(path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs a command, and returns its exit code and what was written to stdout and stderr."""
    monkeypatch.setenv("CLOACINA_DATABASE", str(path))

    def invoke(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        streams = capfd.readouterr()
        return code, streams.out, streams.err

    return invoke


def end(path: Path, execution: str, **values: Any) -> None:
    """Do what a runner does at the end of an execution."""
    database = Database.open(path)
    row = {"started_at": 1.0, "finished_at": 2.5, "runner_id": None} | values
    database.write(
        lambda connection: connection.execute(
            update(workflow_executions).where(workflow_executions.c.id == execution).values(row)
        )
    )
    database.close()


# ── Submitting ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_submit_prints_the_id_alone_and_submits_one_execution_for_a_key(invoke: Any, path: Path) -> None:
    code, first, errors = invoke("submit", "order", "--context", '{"item": "cake"}', "--key", "18")
    assert (code, errors) == (ExitCode.OK, "")
    code, again, errors = invoke("submit", "order", "--key", "18")
    assert (code, again) == (ExitCode.OK, first)
    assert "has an execution with key '18' already" in errors
    with Client(path) as client:
        assert client.execution(("order", "18")).id == first.strip()
        assert client.execution(first.strip()).context == {"item": "cake"}


@pytest.mark.parametrize(
    ("row", "code", "stdout", "stderr"),
    [
        (
            {"status": "Completed", "final_context": '{"item": "tea"}'},
            ExitCode.OK,
            '{\n  "item": "tea"\n}\n',
            "Completed in 1.500 s",
        ),
        (
            {"status": "Failed", "error": ErrorRecord("ask", 2, "ValueError", "a\x1bb", "", None).to_json()},
            ExitCode.FAILED,
            "",
            r"task 'ask' failed in attempt 2: ValueError: a\x1bb",
        ),
        ({"status": "Cancelled"}, ExitCode.CANCELLED, "", "Cancelled in 1.500 s"),
    ],
    ids=["Completed", "Failed", "Cancelled"],
)
def test_submit_waits_for_the_end_and_ends_as_the_execution_did(
    row: dict[str, Any], code: ExitCode, stdout: str, stderr: str, invoke: Any, path: Path
) -> None:
    end(path, "e", **row)
    found, out, errors = invoke("submit", "order", "--key", "17", "--wait")
    assert (found, out) == (code, stdout)
    assert "execution e\n" in errors
    assert stderr in errors


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_interrupted_submit_leaves_the_execution_alone(number: int, code: ExitCode, path: Path) -> None:
    command = [sys.executable, "-m", "cloacina", "submit", "order", "--key", "17", "--wait", "--database", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        while waiting.stderr.readline() != "execution e\n":
            assert waiting.poll() is None
        os.kill(waiting.pid, number)
        out, errors = waiting.communicate(timeout=60)
    assert (waiting.returncode, out) == (code, "")
    assert "the execution goes on" in errors
    with Client(path) as client:
        assert client.execution("e").status == "Pending"


# ── Telling ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_signal_of_another_process_is_stored_when_it_ends(path: Path) -> None:
    command = [sys.executable, "-m", "cloacina", "signal", "order/17", "paid", "@-", "--key", "1", "--by", "bank"]
    for said in ("sent", "one with that key had been sent before"):
        done = subprocess.run(
            [*command, "--database", f"sqlite:///{path}"],
            input='{"größe": 3}',
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=True,
        )
        assert (done.stdout, done.stderr) == (f"{said}\n", "")
    with Client(path) as client:
        (sent,) = client.signals("e")
    assert (sent.name, sent.payload, sent.key, sent.sender) == ("paid", {"größe": 3}, "1", "bank")


def test_question_is_listed_until_it_is_answered(invoke: Any, path: Path) -> None:
    for target in ([], ["e"], ["order/17"]):
        _, shown, _ = invoke("questions", *target)
        assert shown.splitlines()[:2] == ["q", "    Ship it?"]
        _, document, _ = invoke("questions", *target, "--json")
        (listed,) = json.loads(document)
        assert (listed["id"], listed["schema"], listed["addressees"]) == ("q", {"type": "boolean"}, ["ada"])
        assert (listed["asked_at"], listed["deadline"]) == ("1970-01-01T00:00:01+00:00", None)

    assert invoke("answer", "q", '"yes"')[0] == ExitCode.USAGE, "the schema asks for true or false"
    assert invoke("answer", "q", "true", "--by", "ada") == (ExitCode.OK, "answered\n", "")
    assert invoke("answer", "q", "true")[1] == "the same answer had been given before\n"
    code, _, errors = invoke("answer", "q", "false")
    assert code == ExitCode.USAGE
    assert "CLO-1313" in errors
    assert "ada has answered" in errors
    assert invoke("questions") == (ExitCode.OK, "no open questions\n", "")
    assert invoke("questions", "--json")[1] == "[]\n"


def test_execution_is_cancelled_and_goes_on(invoke: Any, path: Path) -> None:
    assert invoke("retry", "e")[0] == ExitCode.USAGE, "it has not ended"
    assert invoke("cancel", "order/17") == (ExitCode.OK, "execution e is cancelled\n", "")
    assert invoke("cancel", "e")[0] == ExitCode.OK, "it is, whoever has done it"
    assert invoke("retry", "e", "--context", '{"item": "cake"}') == (ExitCode.OK, "execution e goes on\n", "")
    with Client(path) as client:
        assert (client.execution("e").status, client.execution("e").context) == ("Pending", {"item": "cake"})

    end(path, "e", status="Completed")
    for command in ("cancel", "retry"):
        code, _, errors = invoke(command, "e")
        assert code == ExitCode.USAGE
        assert "Execution e is Completed" in errors


def test_owner_is_asked_to_cancel(invoke: Any, path: Path) -> None:
    # Whoever has never told of itself is at work, as far as anybody knows.
    end(path, "e", status="Running", finished_at=None, runner_id="r")
    assert invoke("cancel", "e")[1] == "the runner of execution e is asked to cancel it\n"
    assert invoke("cancel", "e")[1] == "the runner of execution e had been asked to cancel it\n"


def test_commands_take_an_execution_of_a_runner_to_its_end(invoke: Any, path: Path) -> None:
    with Workflow("shipping") as shipping:

        @task
        async def ship(context: Context, handle: TaskHandle) -> None:
            context["paid"] = await handle.wait_for("paid")
            context["is_approved"] = await handle.request_approval("Ship it?", to=["ada"])

    with Runner(path) as runner:
        runner.register(shipping)
        assert invoke("submit", "shipping", "--key", "1")[0] == ExitCode.OK
        assert invoke("signal", "shipping/1", "paid", "3")[0] == ExitCode.OK
        while not (listed := json.loads(invoke("questions", "shipping/1", "--json")[1])):
            time.sleep(0.01)
        assert invoke("answer", listed[0]["id"], "true")[0] == ExitCode.OK
        code, out, _ = invoke("submit", "shipping", "--key", "1", "--wait")
    assert (code, json.loads(out)) == (ExitCode.OK, {"paid": 3, "is_approved": True})


@pytest.mark.parametrize(
    ("command", "error", "code"),
    [
        (["signal", "missing", "paid"], "CLO-1306", ExitCode.USAGE),
        (["signal", "order/18", "paid"], "CLO-1306", ExitCode.USAGE),
        (["signal", "e", "no name"], "CLO-1105", ExitCode.USAGE),
        (["signal", "e", "paid", "tea"], "CLO-1503", ExitCode.USAGE),
        (["signal", "e", "paid", "--database", "missing.db"], "There is no database", ExitCode.STORE),
        (["questions", "missing"], "CLO-1306", ExitCode.USAGE),
        (["answer", "missing", "true"], "CLO-1312", ExitCode.USAGE),
        (["cancel", "missing"], "CLO-1306", ExitCode.USAGE),
        (["retry", "missing"], "CLO-1306", ExitCode.USAGE),
        (["retry", "e", "--context", "[]"], "CLO-1503", ExitCode.USAGE),
        (["submit", "no name"], "CLO-1105", ExitCode.USAGE),
        (["submit", "order", "--key", ""], "key is ''", ExitCode.USAGE),
        (["prune", "--older-than", "30"], "--older-than is '30'", ExitCode.USAGE),
        (["prune", "--older-than", "30d", "--database", "missing.db"], "There is no database", ExitCode.STORE),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_done_is_told_and_makes_nothing(
    command: list[str], error: str, code: ExitCode, invoke: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found, out, errors = invoke(*command)
    assert (found, out) == (code, "")
    assert error in errors
    assert not Path("missing.db").exists()


def test_ended_executions_are_pruned(invoke: Any, path: Path) -> None:
    assert invoke("prune", "--older-than", "0s")[1] == "deleted 0 executions that ended more than 0s ago\n"
    end(path, "e", status="Completed")
    assert invoke("prune", "--older-than", "4000w")[1] == "deleted 0 executions that ended more than 4000w ago\n"
    assert invoke("prune", "--older-than", "30d")[1] == "deleted 1 execution that ended more than 30d ago\n"
    with Client(path) as client:
        assert [*client.executions(), *client.waits(), *client.events("e")] == []
