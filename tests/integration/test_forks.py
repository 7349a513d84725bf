"""Forked children: what their parent opened is refused to them, and nothing of it is lost, whatever they do."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from cloacina.store import forks

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_SECONDS = 120
"""Bounds a hang, and times nothing."""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

_BEGINNING = """
import gc, logging, os, sys, threading, warnings
import anyio
from cloacina import AsyncRunner, Context, Runner, RunnerClosed, StoreUnavailable, TaskHandle, Workflow, task

warnings.simplefilter("ignore")  # Python warns of forks while there are threads.
# A child that is waited for on the event loop blocks it: on a busy machine for so long that this is logged.
logging.getLogger("cloacina").setLevel(logging.ERROR)
path = sys.argv[1]

@task
def work(context: Context) -> None:
    context["done"] = True

@task
async def wait(context: Context, handle: TaskHandle) -> None:
    await handle.defer_until(lambda: may_end, poll_interval_ms=1)

may_end = False
done, waiting = Workflow("done", tasks=[work]), Workflow("waiting", tasks=[wait])

def told(use, error):
    try:
        use()
    except error as refusal:
        assert str(os.getpid()) in str(refusal), refusal
    else:
        raise AssertionError("not refused")

def join(child):
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == 0, code
"""


def run(program: str, path: Path, *arguments: str) -> str:
    """Run a program to its end, and return what it printed."""
    source = _BEGINNING + textwrap.dedent(program)
    ended = subprocess.run(
        [sys.executable, "-c", source, str(path), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def stored(path: Path) -> list[tuple[str, int]]:
    """Return how many executions are stored, by status, of a file that is whole."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT status, count(*) FROM workflow_executions GROUP BY 1 ORDER BY 1").fetchall()


@needs_fork
def test_a_child_is_refused_at_once_what_its_parent_has_open(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    run(
        """
        from multiprocessing import get_context

        def be_refused():
            told(lambda: runner.execute(done), RunnerClosed)
            told(lambda: runner.submit(done), RunnerClosed)
            told(lambda: runner.submit_many(done, [None]), RunnerClosed)
            told(lambda: runner.wait(execution.id), RunnerClosed)
            told(lambda: runner.cancel(execution.id), RunnerClosed)
            told(lambda: runner.executions(), RunnerClosed)
            told(lambda: runner.tasks(execution.id), RunnerClosed)
            told(lambda: runner.events(execution.id), RunnerClosed)
            told(lambda: runner.waits(), RunnerClosed)
            told(lambda: execution.wait(), RunnerClosed)
            told(lambda: execution.wait(timeout=1), RunnerClosed)
            told(lambda: execution.cancel(), RunnerClosed)
            assert has_ended.wait().status == "Completed"
            # By whatever path.
            for name in (path, f"{path}-link"):
                told(Runner(name).__enter__, StoreUnavailable)
            # Others are its own.
            for name in (f"{path}-{os.getpid()}", "sqlite://"):
                with Runner(name) as own:
                    assert own.execute(done).status == "Completed"

        def use_the_file():
            with Runner(path) as own:
                assert own.execute(done).status == "Completed"

        os.symlink(path, f"{path}-link")
        not_entered = Runner("sqlite://")
        with Runner(path) as runner:
            has_ended, execution = runner.submit(done), runner.submit(waiting)
            has_ended.wait()
            if child := os.fork():
                join(child)
                assert runner.execute(done).status == "Completed"
                may_end = True
            else:
                be_refused()
                with not_entered:
                    assert not_entered.execute(done).status == "Completed"
                if grandchild := os.fork():
                    join(grandchild)
                    sys.exit()  # Within the block.
                be_refused()
        if not child:
            # The grandchild has left the block.
            del runner, execution
            gc.collect()
            told(Runner(path).__enter__, StoreUnavailable)
            sys.exit()
        # Nothing is open any more: so the next child may use the file.
        process = get_context("fork").Process(target=use_the_file)
        process.start()
        process.join()
        assert process.exitcode == 0
        """,
        path,
    )
    assert stored(path) == [("Completed", 4)]


@needs_fork
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_child_forked_on_the_event_loop_is_refused_at_once(backend: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    output = run(
        """
        async def refused(use):
            try:
                await use()
            except RunnerClosed:
                return
            raise AssertionError("not refused")

        async def main():
            global may_end
            async with AsyncRunner(path) as runner:
                execution = await runner.submit(waiting)
                child = os.fork()
                if not child:
                    await refused(lambda: runner.execute(done))
                    await refused(lambda: runner.tasks(execution.id))
                    await refused(execution.wait)
                    await runner.__aexit__(None, None, None)
                    os._exit(0)
                join(child)
                assert (await runner.execute(done)).status == "Completed"
                may_end = True
            print((await execution.wait()).status)

        anyio.run(main, backend=sys.argv[2])
        """,
        path,
        backend,
    )
    assert output == "Completed\n"
    assert stored(path) == [("Completed", 2)]


@needs_fork
@pytest.mark.parametrize("face", ["Runner", "asyncio", "trio"])
def test_a_child_that_comes_back_from_a_body_ends_and_its_parent_goes_on(face: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    output = run(
        """
        import logging
        logging.disable()

        def fork(context):
            child = os.fork()
            if not child:
                if context["exit"] is not None:
                    sys.exit(context["exit"])
                return
            context["code"] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

        @task(id="forks")
        async def forks(context: Context) -> None:
            fork(context)

        @task(id="forks")
        def forks_in_a_thread(context: Context) -> None:
            fork(context)

        workflows = [Workflow("forks", tasks=[body]) for body in (forks, forks_in_a_thread)]
        contexts = [{"exit": None}, {"exit": 0}, {"exit": 3}]
        codes = []

        async def main():
            async with AsyncRunner(path) as runner:
                for workflow in workflows:
                    codes.extend([(await runner.execute(workflow, context)).context["code"] for context in contexts])
                for _ in range(20):
                    (await runner.execute(done)).raise_for_status()

        if sys.argv[2] == "Runner":
            with Runner(path) as runner:
                for workflow in workflows:
                    codes.extend([runner.execute(workflow, context).context["code"] for context in contexts])
                for _ in range(20):
                    runner.execute(done).raise_for_status()
        else:
            anyio.run(main, backend=sys.argv[2])
        print(codes)
        """,
        path,
        face,
    )
    assert output == "[1, 0, 3, 1, 0, 3]\n"
    assert stored(path) == [("Completed", 26)]


@needs_fork
def test_a_child_that_ends_removes_nothing_that_others_have_written_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    run(
        """
        import subprocess
        from cloacina.store import Database, queries

        database = Database.open(path)
        database.read(queries.executions)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(writing)
            os.read(reading, 1)
            del database  # If SQLite closed it, it would take itself for the last one, and remove the log.
            gc.collect()
            sys.exit()
        database.close()
        killed = '''
        import os, signal, sys
        from cloacina import Context, Runner, Workflow, task

        @task
        def work(context: Context) -> None: ...

        with Runner(sys.argv[1]) as runner:
            for _ in range(5):
                runner.execute(Workflow("done", tasks=[work])).raise_for_status()
            os.kill(os.getpid(), signal.SIGKILL)
        '''
        import textwrap
        subprocess.run([sys.executable, "-c", textwrap.dedent(killed), path])
        os.write(writing, b"x")
        join(child)
        """,
        path,
    )
    assert stored(path) == [("Completed", 5)]


@needs_fork
def test_children_of_a_busy_runner_use_runners_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    output = run(
        """
        count = 0

        def keep_busy():
            global count
            while not may_end:
                results = [execution.wait() for execution in runner.submit_many(done, [None] * 20)]
                count += sum(result.status == "Completed" for result in results)

        with Runner(path) as runner:
            busy = threading.Thread(target=keep_busy)
            busy.start()
            for _ in range(12):
                child = os.fork()
                if not child:
                    with Runner("sqlite://") as own:
                        own.execute(done).raise_for_status()
                    os._exit(0)
                join(child)
            may_end = True
            busy.join()
        print(count)
        """,
        path,
    )
    assert stored(path) == [("Completed", int(output))]


def test_a_fork_waits_for_the_end_of_what_is_going_on_in_sqlite() -> None:
    order: list[str] = []
    has_begun, may_end = threading.Event(), threading.Event()

    def use() -> None:
        with forks.uses_of_sqlite:
            has_begun.set()
            may_end.wait(20)
            order.append("ends")

    def use_later() -> None:
        with forks.uses_of_sqlite:
            order.append("begins")

    def fork() -> None:
        forks.uses_of_sqlite.pause()
        order.append("forks")
        later.start()
        forks.uses_of_sqlite.go_on()

    user, forking, later = (threading.Thread(target=target) for target in (use, fork, use_later))
    user.start()
    assert has_begun.wait(20)
    forking.start()
    may_end.set()
    for thread in (user, forking, later):
        thread.join(20)
    assert order == ["ends", "forks", "begins"]
