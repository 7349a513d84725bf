"""A task waits for a file without holding a slot, and the next one works on what is in it."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

from cloacina import Context, Runner, TaskHandle, Workflow, task

with Workflow("deferred_tasks") as deferred_tasks:

    @task
    async def wait_for_data(context: Context, handle: TaskHandle) -> None:
        path = Path(context["folder"], "data.txt")
        await handle.defer_until(path.exists, poll_interval_ms=100)  # no slot is held while this waits
        context["data"] = str(path)

    @task(dependencies=[wait_for_data])
    def process_data(context: Context) -> None:
        context["total"] = sum(map(int, Path(context["data"]).read_text().split()))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, Runner("sqlite://") as runner:
        draft = Path(folder, "draft.txt")
        draft.write_text("12\n30\n")
        threading.Timer(0.5, draft.rename, [Path(folder, "data.txt")]).start()  # half a second later it is there
        result = runner.execute(deferred_tasks, {"folder": folder}).raise_for_status()
        print("The total is", result.context["total"])
