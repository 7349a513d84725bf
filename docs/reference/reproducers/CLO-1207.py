import threading

from cloacina import BlockingTaskHandle, Context, Runner, TaskCancelled, Workflow, task

waits = threading.Event()

with Workflow("patient") as patient:

    @task
    def wait(context: Context, handle: BlockingTaskHandle) -> None:
        try:
            handle.defer_until(waits.set, poll_interval_ms=10)
        except TaskCancelled as cancelled:
            print(cancelled.code, cancelled)
            raise


with Runner("sqlite://") as runner:
    execution = runner.submit(patient)
    waits.wait()
    execution.cancel()
