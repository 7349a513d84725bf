"""Ctrl+C and SIGTERM leave what a command runs, and a second one leaves at once; `resume` and `serve` go on with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from textwrap import dedent
from typing import IO, TYPE_CHECKING

import pytest

from cloacina import Client, Context, ExecutionStatus, Runner, TaskHandle, Workflow, task
from cloacina.cli import main
from cloacina.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

FLOW = """
    import threading
    from pathlib import Path
    from cloacina import BlockingTaskHandle, Context, TaskHandle, Workflow, task

    with Workflow("waiting") as waiting:
        @task
        async def wait_for_ever(context: Context, handle: TaskHandle) -> None:
            await handle.defer_until(Path("go").exists, poll_interval_ms=100)

        @task
        def wait_in_a_thread(context: Context, handle: BlockingTaskHandle) -> None:
            try:
                context["thread"] = handle.defer_until(Path("go").exists, poll_interval_ms=100)
            finally:
                print("cleaned up", flush=True)

    with Workflow("deaf") as deaf:
        @task
        def never_listens(context: Context) -> None:
            print("working", flush=True)
            threading.Event().wait()

    with Workflow("greeting") as greeting:
        @task
        def greet(context: Context) -> None:
            context["hello"] = 1

    with Workflow("failing") as failing:
        @task
        def fail(context: Context) -> None:
            raise ValueError("no")

    with Workflow("signalled") as signalled:
        @task(id="wait")
        async def wait_for_signal(context: Context, handle: TaskHandle) -> None:
            await handle.wait_for("go")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flow.py").write_text(dedent(FLOW), encoding="utf-8")
    return tmp_path


@contextmanager
def running(folder: Path, *arguments: str) -> Generator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CLOACINA_")}
    with subprocess.Popen(
        [sys.executable, "-m", "cloacina", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: subprocess.Popen[str], *texts: str) -> str:
    """Read lines until each text has stood in one, and return the last; the process writes each line at once."""
    assert process.stdout is not None
    return read_lines_until(process.stdout, *texts)


def read_lines_until(lines: IO[str], *texts: str) -> str:
    """Do the same with any stream."""
    missing = set(texts)
    for line in lines:
        missing -= {text for text in missing if text in line}
        if not missing:
            return line.rstrip("\n")
    raise AssertionError(f"the process ended before it wrote {missing}")


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_signal_leaves_the_execution_and_says_how_to_go_on_with_it_and_that_works(
    folder: Path, number: signal.Signals, expected: ExitCode
) -> None:
    with running(folder, "run", "flow.py:waiting") as process:
        read_until(process, "wait_for_ever     Deferred", "wait_in_a_thread  Deferred")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == expected
    assert "leaving, within 10 s; press Ctrl+C again to leave at once" in out
    assert "cleaned up" in out
    told, resume, cancel = err.splitlines()
    with Client(folder / "cloacina.db") as client:
        (execution,) = client.executions()
        assert (execution.status, execution.runner_id) == (ExecutionStatus.RUNNING, None)
        assert {(each.status, each.sub_status) for each in client.tasks(execution.id)} == {("Running", "Deferred")}
    assert told == f"interrupted: execution {execution.id} stays as it is stored"
    assert resume == f"  go on with it: cloacina resume flow.py:waiting {execution.id}"
    assert cancel == f"  end it:        cloacina cancel {execution.id}"

    (folder / "go").touch()
    for _ in range(2):  # What has ended shows what it has ended with.
        with running(folder, *resume.split()[5:]) as process:
            out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (ExitCode.OK, "")
        assert "\nCompleted in " in out
        assert json.loads(out[out.index("{") :]) == {"thread": True}


def test_second_signal_leaves_at_once_though_a_thread_goes_on(folder: Path) -> None:
    with running(folder, "run", "flow.py:deaf") as process:
        read_until(process, "working")
        process.send_signal(signal.SIGINT)
        read_until(process, "leaving")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED


def test_what_is_in_memory_is_cancelled_for_nobody_could_go_on_with_it(folder: Path) -> None:
    with running(folder, "run", "flow.py:waiting", "--database", "sqlite://", "--json") as process:
        assert process.stderr is not None
        read_lines_until(process.stderr, "wait_in_a_thread  Deferred")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert json.loads(out)["status"] == "Cancelled"
    assert "[CLO-1302]" in err


def test_json_of_what_is_left_tells_where_it_stands(folder: Path) -> None:
    with running(folder, "run", "flow.py:waiting", "--json", "--grace", "0") as process:
        assert process.stderr is not None
        read_lines_until(process.stderr, "wait_in_a_thread  Deferred")
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    document = json.loads(out)
    assert document["status"] == "Running"
    assert {task["status"] for task in document["tasks"].values()} <= {"Running", "Ready"}


@pytest.mark.parametrize("way", ["id", "workflow and key", "--key", "nothing"])
def test_resume_finds_what_is_meant(folder: Path, capsys: pytest.CaptureFixture[str], way: str) -> None:
    (folder / "go").touch()
    path = str(folder / "cloacina.db")
    flow = f"{folder / 'flow.py'}:greeting"
    with Client(path) as client:
        execution = client.submit("greeting", key="17")
        client.submit("another")
    names = {"id": [execution.id], "workflow and key": ["greeting/17"], "--key": ["--key", "17"], "nothing": []}
    for _ in range(1 if way == "nothing" else 2):
        assert main(["resume", flow, *names[way], "--database", path]) == ExitCode.OK
        out = capsys.readouterr().out
        assert json.loads(out[out.index("\n{") :]) == {"hello": 1}
    assert main(["resume", flow, "--database", path]) == ExitCode.USAGE
    assert "has no execution in the database that has not ended" in capsys.readouterr().err
    with Client(path) as client:
        ids = [client.submit("greeting").id for _ in range(2)]
    assert main(["resume", flow, "--database", path]) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert all(each in told for each in ids)


def test_resume_watches_what_another_runner_has_and_goes_on_with_it_when_it_is_left(folder: Path) -> None:
    path = folder / "cloacina.db"

    @task(id="wait")
    async def wait(context: Context, handle: TaskHandle) -> None:
        await handle.wait_for("go")

    with Runner(path, on_exit="leave") as runner:
        execution = runner.submit(Workflow("signalled", tasks=[wait]))
        with running(folder, "resume", "flow.py:signalled", execution.id) as process:
            read_until(process, "another runner has it")
            runner.__exit__(None, None, None)
            read_until(process, "wait  Active")
            with Client(path) as client:
                client.signal(execution.id, "go")
            out, _ = process.communicate(timeout=60)
    assert process.returncode == ExitCode.OK
    assert "Completed in" in out


@pytest.mark.parametrize("kind", ["lines", "quiet", "json"])
def test_serve_tells_what_it_takes_up_and_leaves_it_when_told_to_stop(folder: Path, kind: str) -> None:
    options = {"lines": [], "quiet": ["--quiet"], "json": ["--json"]}[kind]
    with running(folder, "serve", "flow.py", *options) as process, Client(folder / "cloacina.db") as client:
        ready = read_until(process, "greeting")
        done, failed = (client.submit(name) for name in ("greeting", "failing"))
        waiting = client.submit("waiting")
        assert [done.wait().status, failed.wait().status] == ["Completed", "Failed"]
        while len(client.waits(waiting.id, phase="waiting")) < 2:
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert client.execution(waiting.id).runner_id is None
    assert process.returncode == ExitCode.OK
    assert "Traceback" not in err
    if kind == "json":
        lines = [json.loads(line) for line in [ready, *out.splitlines()]]
        assert {(line.get("id"), line["event"], line.get("status")) for line in lines} >= {
            (None, "ready", None),
            (done.id, "ended", "Completed"),
            (failed.id, "ended", "Failed"),
            (None, "stopping", None),
            (None, "stopped", None),
        }
        assert lines[-1]["left"] == 1
        return
    told = out.splitlines()
    assert ready == "serving waiting, deaf, greeting, failing, signalled on cloacina.db, slots: 4; Ctrl+C stops it"
    assert told[-1] == "stopped; 1 execution left as stored, for the next runner"
    assert any(f"failing  {failed.id}  Failed: ValueError: no" in line for line in told)
    assert any(f"greeting  {done.id}  Completed" in line for line in told) == (kind == "lines")
    assert any(f"waiting  {waiting.id}  taken up" in line for line in told) == (kind == "lines")
