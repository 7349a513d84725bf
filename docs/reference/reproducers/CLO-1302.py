from cloacina import Context, Runner, TaskHandle, Workflow, task

with Workflow("patient") as patient:

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(lambda: False)


with Runner("sqlite://") as runner:
    execution = runner.submit(patient)
    execution.cancel()
    execution.wait().raise_for_status()
