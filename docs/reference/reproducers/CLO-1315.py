import anyio

from cloacina import Context, Runner, TaskHandle, Workflow, task

with Workflow("copying") as copying:

    @task(heartbeat_timeout=0.05)
    async def copy(context: Context, handle: TaskHandle) -> None:
        handle.heartbeat({"rows": 1})
        await anyio.sleep(60)


with Runner("sqlite://") as runner:
    result = runner.execute(copying)

print(result.error)
