from cloacina import BlockingTaskHandle, Context, task


@task
async def wait(context: Context, handle: BlockingTaskHandle) -> None: ...
