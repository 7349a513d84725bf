"""Who blocks the event loop is named in the log."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cloacina import AsyncRunner, Context, TaskHandle, Workflow, task
from cloacina.execution import watchdog

if TYPE_CHECKING:
    from tests.integration.conftest import Until

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("blocker", ["a body", "a library", "a condition", "another job"])
async def test_who_blocks_the_loop_is_named_with_the_line(
    blocker: str, until: Until, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    may_go_on = threading.Event()
    in_body = blocker != "another job"
    who = watchdog._who

    def noticing(frame: Any) -> Any:
        found = who(frame)
        if found is not None and "hold_up" in found.place:
            may_go_on.set()
        return found

    monkeypatch.setattr(watchdog, "_who", noticing)
    monkeypatch.setattr(watchdog, "BEARABLE_SECONDS", 0.01)

    def hold_up() -> None:
        if blocker == "a library":
            while not may_go_on.is_set():
                subprocess.run([sys.executable, "-c", ""], check=True)
        else:
            may_go_on.wait(20)

    @task
    async def block(context: Context, handle: TaskHandle) -> None:
        async def condition() -> bool:
            calls.append(1)
            if len(calls) > 1:
                hold_up()
            return len(calls) > 1

        calls: list[int] = []
        if blocker == "a condition":
            await handle.defer_until(condition, poll_interval_ms=1)
        elif in_body:
            hold_up()
        else:
            await until(may_go_on.is_set)

    async with AsyncRunner("sqlite://") as runner, anyio.create_task_group() as jobs:
        execution = await runner.submit(Workflow("blocks", tasks=[block]))
        if not in_body:

            async def other_job() -> None:
                hold_up()

            await until(lambda: runner._engine._resources.bodies.at_work)
            jobs.start_soon(other_job)
        (await execution.wait()).raise_for_status()
        await until(lambda: "hold_up" in caplog.text)
        record = next(record for record in caplog.records if "hold_up" in record.getMessage())
        assert record.levelname == "WARNING"
        assert record.name == "cloacina.watchdog"
        assert __file__ in record.getMessage()
        if in_body:
            assert (record.__dict__["execution_id"], record.__dict__["task_id"]) == (execution.id, "block")
            assert record.getMessage().startswith(
                f"task 'block' of execution {execution.id} blocked the event loop for "
            )
        else:
            assert record.getMessage().startswith("code outside of the engine blocked the event loop for ")
