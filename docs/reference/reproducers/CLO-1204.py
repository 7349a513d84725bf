from cloacina import Context, Runner, TaskHandle, Workflow, task

with Workflow("waiting") as waiting:

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(lambda: False, poll_interval_ms=10, timeout=0.05)


with Runner("sqlite://") as runner:
    result = runner.execute(waiting)

print(result.error)
