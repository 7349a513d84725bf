from cloacina import Context, Workflow, task

with Workflow("twice"):

    @task(id="load")
    def load_rows(context: Context) -> None: ...

    @task(id="load")
    def load_columns(context: Context) -> None: ...
