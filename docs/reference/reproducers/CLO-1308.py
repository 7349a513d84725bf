import threading
from unittest.mock import patch

from cloacina import Context, Runner, Workflow, task

with Workflow("blocking") as blocking:

    @task
    def work(context: Context) -> None: ...


# What Python raises when the process has as many threads as it may have.
limit = RuntimeError("can't start new thread")

with Runner("sqlite://") as runner, patch.object(threading.Thread, "start", side_effect=limit):
    result = runner.execute(blocking)

print(result.error)
