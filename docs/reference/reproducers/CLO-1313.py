import sqlite3

from cloacina import Client, Context, Workflow, task


@task
def ship(context: Context) -> None: ...


# What is stored when a task asks a person.
ASK = """
    INSERT INTO waits
        (id, execution_id, task_execution_id, task_id, kind, phase,
         started_at, question)
    SELECT 'q', execution_id, id, task_id, 'question', 'waiting', 0,
        '{"text": "Ship it?", "addressees": [],
          "schema": {"type": "boolean"}}'
    FROM task_executions
"""

with Client("orders.db") as client:
    client.submit(Workflow("order", tasks=[ship]))
    database = sqlite3.connect("orders.db", isolation_level=None)
    database.execute(ASK)
    database.close()
    (question,) = client.questions()
    client.answer(question.id, True, by="ada")
    client.answer(question.id, False, by="bob")
