import sqlite3
from contextlib import closing

from cloacina import Context, Runner, Workflow, task

with Workflow("careless") as careless:

    @task
    def tidy_up(context: Context) -> None:
        with closing(sqlite3.connect("reports.db")) as connection:
            connection.execute("DROP TABLE execution_events")


with Runner("sqlite:///reports.db") as runner:
    runner.execute(careless)
