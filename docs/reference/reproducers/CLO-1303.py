import anyio

from cloacina import Context, Runner, Workflow, task

with Workflow("slow") as slow:

    @task(timeout=0.05)
    async def compute(context: Context) -> None:
        await anyio.sleep(60)


with Runner("sqlite://") as runner:
    result = runner.execute(slow)

print(result.error)
