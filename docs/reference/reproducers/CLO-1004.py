from cloacina import Context, Runner, Workflow, task

with Workflow("undecided") as undecided:

    @task
    def ask_ada(context: Context) -> None:
        context["answer"] = "yes"

    @task
    def ask_grace(context: Context) -> None:
        context["answer"] = "no"


with Runner("sqlite://") as runner:
    result = runner.execute(undecided)

print(result.error)
