from cloacina import Context, Runner, TaskHandle, Workflow, task

with Workflow("waiting") as waiting:

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(lambda: 1 / 0)


with Runner("sqlite://") as runner:
    result = runner.execute(waiting)

print(result.error)
