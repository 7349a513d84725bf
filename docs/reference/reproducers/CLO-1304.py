from cloacina import Context, Runner, Workflow, task

with Workflow("sum") as total:

    @task
    def add(context: Context) -> int:  # type: ignore[misc]
        return 1 + 1


with Runner("sqlite://") as runner:
    result = runner.execute(total)

print(result.error)
