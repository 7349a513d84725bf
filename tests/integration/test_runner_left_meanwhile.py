"""A runner that is left while something is still on its way to it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from cloacina import AsyncRunner, Context, Runner, RunnerClosed, Workflow, task

if TYPE_CHECKING:
    from pathlib import Path

MANY = 5_000
"""So many contexts that the loop gets its turn while their executions are made."""


@task
async def nothing(context: Context) -> None:
    pass


@pytest.mark.anyio
async def test_a_submission_that_the_end_of_the_runner_overtakes_is_refused_whole(tmp_path: Path) -> None:
    refused: list[RunnerClosed] = []
    url = f"sqlite:///{tmp_path / 'left.db'}"

    async def submit(runner: AsyncRunner) -> None:
        try:
            await runner.submit_many(Workflow("nothing", tasks=[nothing]), [None] * MANY)
        except RunnerClosed as error:
            refused.append(error)

    with anyio.fail_after(20):
        async with anyio.create_task_group() as jobs, AsyncRunner(url) as runner:
            jobs.start_soon(submit, runner)
            while not runner._engine._calls:
                await anyio.lowlevel.checkpoint()
        assert len(refused) == 1
        async with AsyncRunner(url) as later:
            assert await later.executions() == []


def test_a_thread_that_submits_while_the_runner_is_left_hangs_nobody() -> None:
    ended: list[str] = []

    def submit(runner: Runner) -> None:
        try:
            executions = runner.submit_many(Workflow("nothing", tasks=[nothing]), [None] * MANY)
        except RunnerClosed:
            ended.append("refused")
        else:
            ended.append("submitted")
            assert all(execution.wait().status == "Completed" for execution in executions)

    with Runner("sqlite://") as runner:
        thread = threading.Thread(target=submit, args=(runner,))
        thread.start()
        while not runner._runner._engine._calls and thread.is_alive():
            pass
    thread.join(20)
    assert ended in (["refused"], ["submitted"])
