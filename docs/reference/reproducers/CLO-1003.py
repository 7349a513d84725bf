from cloacina import Context, Runner, Workflow, task

kept: list[Context] = []

with Workflow("leaky") as leaky:

    @task
    def keep(context: Context) -> None:
        kept.append(context)


with Runner("sqlite://") as runner:
    runner.execute(leaky).raise_for_status()

kept[0]["late"] = True
