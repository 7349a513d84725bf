import asyncio

from cloacina import AsyncRunner, Context, Workflow, task

with Workflow("greeting") as greeting:

    @task
    async def greet(context: Context) -> None: ...


async def main() -> None:
    async with AsyncRunner("sqlite://") as runner:
        # On a loop of its own, in another thread.
        await asyncio.to_thread(asyncio.run, runner.execute(greeting))


asyncio.run(main())
