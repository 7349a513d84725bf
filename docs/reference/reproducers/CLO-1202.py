import anyio

from cloacina import Context, Runner, TaskHandle, Workflow, task

with Workflow("waiting") as waiting:

    @task
    async def wait_twice(context: Context, handle: TaskHandle) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(handle.defer_until, lambda: False)
            group.start_soon(handle.defer_until, lambda: False)


with Runner("sqlite://") as runner:
    result = runner.execute(waiting)

print(result.error)
