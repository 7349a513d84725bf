from cloacina import Context, Workflow, task

with Workflow("report"):

    @task(dependencies=["extrct"])
    def summarise(context: Context) -> None: ...
