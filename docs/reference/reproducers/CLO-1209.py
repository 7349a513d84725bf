import anyio

from cloacina import Context, Runner, TaskHandle, Workflow, task

with Workflow("mails") as mails:

    @task
    async def send(context: Context, handle: TaskHandle) -> None:
        async with anyio.create_task_group() as group:
            for _ in ("ada@example.org", "grace@example.org"):
                group.start_soon(handle.checkpoint, "mail", lambda: None)


with Runner("sqlite://") as runner:
    result = runner.execute(mails)

print(result.error)
