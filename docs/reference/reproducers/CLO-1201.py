from cloacina import Context, Runner, TaskHandle, Workflow, task

with Workflow("waiting") as waiting:

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        token = handle.into_slot_token()
        token.release()
        await handle.defer_until(lambda: True)


with Runner("sqlite://") as runner:
    result = runner.execute(waiting)

print(result.error)
