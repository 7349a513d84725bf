from cloacina import Context, Runner, Workflow, task

with Workflow("division") as division:

    @task
    def divide(context: Context) -> None:
        context["share"] = 1 / 0


with Runner("sqlite://") as runner:
    runner.execute(division).raise_for_status()
