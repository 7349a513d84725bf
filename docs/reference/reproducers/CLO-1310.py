from cloacina import Context, Runner, Workflow, task

with Workflow("child") as child:

    @task
    def count(context: Context) -> None: ...


with Workflow("parent") as parent:

    @task
    def run_child(context: Context) -> None:
        # It keeps the only slot, which the other execution needs.
        runner.execute(child)


with Runner("sqlite://", max_concurrent_tasks=1) as runner:
    result = runner.execute(parent)

print(result.error)
