from cloacina import Context, Workflow, task

with Workflow("hen_and_egg"):

    @task(dependencies=["egg"])
    def hen(context: Context) -> None: ...

    @task(dependencies=["hen"])
    def egg(context: Context) -> None: ...
