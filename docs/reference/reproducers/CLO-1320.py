import sqlite3

from cloacina import Client, Context, Runner, Workflow, task


@task
def parse(context: Context) -> None:
    """Calls an extension that crashes."""


workflow = Workflow("import", tasks=[parse])
with Client("crashes.db") as client:
    execution = client.submit(workflow)

# What the store holds when the process has died four times in the midst of the task.
CRASHES = "UPDATE task_executions SET status = 'Running', attempt = 1, recoveries = 4"
with sqlite3.connect("crashes.db") as database:
    database.execute(CRASHES)

with Runner("crashes.db") as runner:
    runner.register(workflow)
    result = runner.wait(execution.id)

print(result.error)
