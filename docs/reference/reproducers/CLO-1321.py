import sqlite3

from cloacina import Client, Context, Runner, Workflow, task


@task
def save(context: Context) -> None: ...


@task
def store(context: Context) -> None: ...


@task(dependencies=[save])
def report(context: Context) -> None: ...


with Client("nightly.db") as client:
    execution = client.submit(Workflow("nightly", tasks=[save, report]))

# What the store holds when the process has died behind the first task.
SAVED = "UPDATE task_executions SET status = 'Completed' WHERE task_id = 'save'"
with sqlite3.connect("nightly.db") as database:
    database.execute(SAVED)

with Runner("nightly.db") as runner:
    runner.register(Workflow("nightly", tasks=[store]))
    result = runner.wait(execution.id)

print(result.error)
