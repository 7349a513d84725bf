"""The processes of `benchmarks.workloads.recovery`: one that is killed, and one that takes up what that has left."""

from __future__ import annotations

import json
import os
import sys
import time

import anyio

from cloacina import AsyncRunner, Context, TaskHandle, Workflow, task

_AT_ONCE = 1_000


async def main(path: str, role: str, waiting: int, running: int) -> None:
    """Begin executions and be killed, or take them up and print how long that took."""
    began = time.perf_counter()
    started: list[float] = []
    all_started = anyio.Event()

    def start() -> None:
        started.append(time.perf_counter() - began)
        if len(started) == waiting + running:
            all_started.set()

    @task
    async def waits(context: Context, handle: TaskHandle) -> None:
        start()
        await handle.wait_for("go")

    @task
    async def runs(context: Context) -> None:
        start()
        await anyio.sleep_forever()

    workflows = Workflow("waiting", tasks=[waits]), Workflow("running", tasks=[runs])
    async with AsyncRunner(path, max_concurrent_tasks=running + 4) as runner:
        runner.register(*workflows)
        if role == "begin":
            for workflow, executions in zip(workflows, (waiting, running), strict=True):
                for first in range(0, executions, _AT_ONCE):
                    await runner.submit_many(workflow, [{}] * min(_AT_ONCE, executions - first))
        await all_started.wait()
        if role == "begin":
            await runner.executions(limit=1)  # Behind all that was written.
            print("ready", flush=True)
            await anyio.sleep_forever()
        print(json.dumps({"first": started[0], "all": started[-1]}), flush=True)
        # To cancel them all is another measurement.
        os._exit(0)


if __name__ == "__main__":
    path, backend, role, waiting, running = sys.argv[1:]
    anyio.run(main, path, role, int(waiting), int(running), backend=backend)
