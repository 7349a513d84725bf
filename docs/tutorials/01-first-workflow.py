# %% [markdown]
# # Your first workflow
#
# You write a workflow of one task, run it, and see what the runner remembers of it. It takes ten minutes. The lessons
# after this one make it grow into a small weather report.
#
# You need Python 3.11 or newer. Install Cloacina into an environment of its own: in a clone of the repository, type
# `python3 -m venv .venv`, then `. .venv/bin/activate`, then `pip install .`
#
# Make an empty folder for these lessons, and go there in the same terminal. Put the blocks of this page into a file
# `weather.py`, one below the other, and run `python weather.py` whenever a block prints something.
#
# ## A task is a function
#
# A *task* is a function with `@task` on it. It takes a *context*, which holds data, and writes its results there. A
# *workflow* is a named set of tasks: those that are declared in its `with` block.

# %%
from cloacina import Context, Runner, Workflow, task

with Workflow("weather") as weather:

    @task
    def measure(context: Context) -> None:
        context["degrees"] = [11.5, 12.0, 14.5, 16.0, 13.0]


# %% [markdown]
# Nothing has run yet. The workflow has only been checked.
#
# ## A runner runs it
#
# A *runner* executes workflows, and keeps what happens in a database. This one is an SQLite file, `weather.db`, which
# is made when it is not there.

# %%
with Runner("weather.db") as runner:
    result = runner.execute(weather)

print(result.status)
print(result.context["degrees"])

# %% [markdown]
# `execute` has run the workflow once, and has waited for its end. The *result* holds how it ended, and the context with
# everything that the tasks have written.
#
# ## The database remembers
#
# The runner above is closed. A new one finds the *execution*, that one run of the workflow, by its id. A program
# started tomorrow would find it as well.

# %%
with Runner("weather.db") as runner:
    for record in runner.tasks(result.id):
        print(record.task_id, record.status, "in attempt", record.attempt)

# %% [markdown]
# Behind the statuses are *events*: each thing that happened, in order, with its time in UTC. Nothing is ever removed
# from them.

# %%
with Runner("weather.db") as runner:
    for event in runner.events(result.id):
        print(f"{event.at:%H:%M:%S.%f}  {event.type}")

# %% [markdown]
# `task_started` means that the task has been given a *slot* and has begun. Slots limit how many tasks run at once.
# There are four unless you say otherwise.
#
# ## The function is still a function
#
# `@task` returns your function unchanged. Call it, and nothing is stored and nothing is scheduled. That is all it takes
# to test one.

# %%
context = Context()
measure(context)
print(len(context["degrees"]), "values")

# %% [markdown]
# ## What you have
#
# A program that measures, and a record of every time it did. Each run of the file adds an execution to `weather.db`, so
# you may see more lines here than this page, whose program was run once. To begin afresh, delete the file.

# %%
with Runner("weather.db") as runner:
    for execution in runner.executions(workflow="weather", limit=3):
        print(f"{execution.created_at:%Y-%m-%d %H:%M}", execution.status)

# %% [markdown]
# So far the numbers are always the same. [Next](../02-context/), the workflow is told which station to measure at, and
# one task hands its results to another.
