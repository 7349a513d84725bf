"""Ctrl+C, a body that raises KeyboardInterrupt, and a fork: what becomes of the executions, and that nothing hangs."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_WORKFLOW = """
    import os, signal, sys, threading
    import anyio
    from cloacina import AsyncRunner, BlockingTaskHandle, Context, Runner, TaskHandle, Workflow, task

    path = sys.argv[1]
    calls = []

    def condition():
        calls.append(1)
        if len(calls) == 2:  # The first call comes before the task is deferred.
            print("waiting", flush=True)
        return False

    with Workflow("waits") as waits:

        @task
        async def wait(context: Context, handle: TaskHandle) -> None:
            try:
                await handle.defer_until(condition, poll_interval_ms=1)
            finally:
                print("cleaned up", flush=True)

        @task(dependencies=[wait])
        def never(context: Context) -> None:
            print("never", flush=True)
"""


def _start(path: Path, program: str) -> subprocess.Popen[str]:
    source = textwrap.dedent(_WORKFLOW) + textwrap.dedent(program)
    return subprocess.Popen(
        [sys.executable, "-c", source, f"sqlite:///{path}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def _interrupt_and_finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    return _finish(process)


def _finish(process: subprocess.Popen[str], sent: str | None = None) -> tuple[str, str]:
    """Return what a program has printed; one that does not end is killed, and troubles no test after this one."""
    try:
        return process.communicate(sent, timeout=60)
    finally:
        with process:
            process.kill()


def _statuses(path: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return [
            *connection.execute("SELECT status FROM workflow_executions"),
            *connection.execute("SELECT status, sub_status FROM task_executions ORDER BY position"),
            *connection.execute("SELECT phase, outcome FROM waits"),
        ]


_CANCELLED = [("Cancelled",), ("Cancelled", None), ("Cancelled", None), ("ended", "cancelled")]

_PROGRAMS = {
    "while it executes": """
        with Runner(path) as runner:
            runner.execute(waits)
    """,
    "while it leaves the block": """
        with Runner(path) as runner:
            runner.submit(waits)
    """,
    "while the caller does something else": """
        with Runner(path) as runner:
            runner.submit(waits)
            threading.Event().wait()
    """,
    "on asyncio": """
        async def main():
            async with AsyncRunner(path) as runner:
                await runner.execute(waits)

        anyio.run(main, backend="asyncio")
    """,
    "on trio": """
        async def main():
            async with AsyncRunner(path) as runner:
                await runner.execute(waits)

        anyio.run(main, backend="trio")
    """,
    "on asyncio while it leaves the block": """
        async def main():
            async with AsyncRunner(path) as runner:
                await runner.submit(waits)

        anyio.run(main, backend="asyncio")
    """,
    "on trio while it leaves the block": """
        async def main():
            async with AsyncRunner(path) as runner:
                await runner.submit(waits)

        anyio.run(main, backend="trio")
    """,
}


@pytest.mark.parametrize("moment", _PROGRAMS)
def test_ctrl_c_cancels_and_stores_it(moment: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    process = _start(path, _PROGRAMS[moment])
    output, errors = _interrupt_and_finish(process)
    assert output == "cleaned up\n"
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert process.returncode != 0
    assert _statuses(path) == _CANCELLED


def test_ctrl_c_again_and_again_while_a_runner_is_left_waits_for_the_end_of_that(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    process = _start(
        path,
        """
        def interrupt(*_):
            print("interrupted", flush=True)
            raise KeyboardInterrupt

        signal.signal(signal.SIGINT, interrupt)

        @task
        async def stubborn(context: Context) -> None:
            try:
                print("waiting", flush=True)
                await anyio.sleep_forever()
            finally:
                print("cleans up", flush=True)
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(sys.stdin.readline)

        with Runner(path) as runner:
            runner.execute(Workflow("stubborn", tasks=[stubborn]))
        """,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    assert [process.stdout.readline() for _ in range(2)] == ["interrupted\n", "cleans up\n"]
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
    _, errors = _finish(process, "go on\n")
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert _statuses(path) == [("Cancelled",), ("Cancelled", None)]


_NEVER_LEFT = {
    "Runner": """
        runner = Runner(path).__enter__()
        runner.execute(done)
        runner.executions()
    """,
    "Runner with an execution that waits": """
        runner = Runner(path).__enter__()
        runner.submit(waits)
        runner.execute(done)
    """,
    "Runner that a thread has entered": """
        runner = Runner(path)
        thread = threading.Thread(target=runner.__enter__)
        thread.start()
        thread.join()
        runner.execute(done)
    """,
    "SystemExit in another block": """
        runner = Runner(path).__enter__()
        with Runner("sqlite://") as another:
            runner.execute(done)
            sys.exit()
    """,
    "AsyncRunner on asyncio": """
        import asyncio

        async def main():
            runner = await AsyncRunner(path).__aenter__()
            await runner.execute(done)
            await runner.executions()
            return runner

        runner = asyncio.run(main())
    """,
    "AsyncRunner on trio": """
        async def main():
            runner = await AsyncRunner(path).__aenter__()
            await runner.execute(done)
            await runner.executions()
            return runner

        runner = anyio.run(main, backend="trio")
    """,
    "AsyncRunner on a loop that is never closed": """
        import asyncio

        async def main():
            runner = await AsyncRunner(path).__aenter__()
            await runner.execute(done)
            await runner.executions()
            asyncio.get_running_loop().call_soon(sys.exit)
            await anyio.sleep_forever()

        asyncio.new_event_loop().run_until_complete(main())
    """,
}


@pytest.mark.parametrize("face", _NEVER_LEFT)
def test_a_process_ends_that_never_leaves_its_runner(face: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    process = _start(
        path,
        """
        @task
        def work(context: Context) -> None: ...

        done = Workflow("done", tasks=[work])
        """
        + _NEVER_LEFT[face],
    )
    _finish(process)
    assert process.returncode == 0
    assert ("Completed",) in _statuses(path)


def test_ctrl_c_does_not_wait_for_a_thread_that_does_not_listen(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    process = _start(
        path,
        """
        @task
        def deaf(context: Context) -> None:
            print("waiting", flush=True)
            threading.Event().wait()

        with Runner(path) as runner:
            runner.execute(Workflow("deaf", tasks=[deaf]))
        """,
    )
    _, errors = _interrupt_and_finish(process)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert _statuses(path) == [("Cancelled",), ("Cancelled", None)]


@pytest.mark.parametrize(
    ("kind", "face"), [("def", "Runner"), ("async def", "Runner"), ("async def", "asyncio"), ("async def", "trio")]
)
def test_a_body_that_raises_keyboard_interrupt_hangs_nobody(kind: str, face: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    run = {
        "Runner": """
        with Runner(path) as runner:
            print(runner.execute(interrupts).error.type, flush=True)
        """,
        "asyncio": """
        async def main():
            async with AsyncRunner(path) as runner:
                print((await runner.execute(interrupts)).error.type, flush=True)

        anyio.run(main, backend="asyncio")
        """,
        "trio": """
        async def main():
            async with AsyncRunner(path) as runner:
                print((await runner.execute(interrupts)).error.type, flush=True)

        anyio.run(main, backend="trio")
        """,
    }[face]
    process = _start(
        path,
        f"""
        with Workflow("interrupts") as interrupts:

            @task
            {kind} interrupt(context: Context) -> None:
                raise KeyboardInterrupt
        {run}
        """,
    )
    output, errors = _finish(process)
    assert _statuses(path) == [("Failed",), ("Failed", None)]
    if (kind, face) == ("async def", "asyncio"):
        # There, and only there, it may be the program's own Ctrl+C.
        assert errors.rstrip().endswith("KeyboardInterrupt")
        assert process.returncode != 0
    else:
        assert (output, process.returncode) == ("KeyboardInterrupt\n", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_leaves_its_parent_s_runner_alone(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    process = _start(
        path,
        """
        import warnings
        warnings.simplefilter("ignore")  # Python warns of forks while there are threads.

        @task
        def fork(context: Context) -> None:
            child = os.fork()
            if child == 0:
                os._exit(7)
            context["child"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

        with Runner(path) as runner:
            for _ in range(3):
                print(runner.execute(Workflow("forks", tasks=[fork])).context, flush=True)
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)
            print(runner.execute(Workflow("forks", tasks=[fork])).context, flush=True)
        """,
    )
    output, errors = _finish(process)
    assert (output, errors) == ("{'child': 7}\n" * 4, "")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT DISTINCT status FROM workflow_executions").fetchall() == [("Completed",)]
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
