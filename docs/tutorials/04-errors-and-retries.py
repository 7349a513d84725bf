# %% [markdown]
# # When a task fails
#
# Thermometers don't always answer. You see what a failed task does to the others, and let the runner try again.
#
# Begin `weather.py` anew with this block, and go on as before. The thermometer answers when it is asked for the third
# time.

# %%
from pathlib import Path

from cloacina import Context, RetryPolicy, Runner, Workflow, task
from cloacina.observe import render_svg


class Thermometer:
    def __init__(self, silent_for: int) -> None:
        self.silent_for = silent_for

    def read(self) -> list[float]:
        self.silent_for -= 1
        if self.silent_for >= 0:
            raise ConnectionError("the thermometer does not answer")
        return [11.5, 12.0, 14.5, 16.0, 13.0]


thermometer = Thermometer(silent_for=2)

# %% [markdown]
# ## A failure is a result
#
# Three tasks: `average` needs what `measure` finds, and `greet` needs nothing.

# %%
with Workflow("weather") as weather:

    @task
    def measure(context: Context) -> None:
        context["degrees"] = thermometer.read()

    @task(dependencies=[measure])
    def average(context: Context) -> None:
        degrees = context["degrees"]
        context["average"] = sum(degrees) / len(degrees)

    @task
    def greet(context: Context) -> None:
        context["greeting"] = "Good morning!"


with Runner("weather.db") as runner:
    result = runner.execute(weather)

print(result.status)
for task_id, record in result.tasks.items():
    print(f"{task_id:8} {record.status}")

# %% [markdown]
# `execute` has not raised. The execution has failed, and that is what the result says. `average` was skipped, because
# what it needs is missing. `greet` does not need it, and has run. (What begins with `attempt` is a line of the log.)
#
# The result knows the cause as well, and `raise_for_status` turns it into an exception:

# %%
from cloacina.errors import ExecutionFailed

print(result.error.task_id, "raised", result.error.type)
try:
    result.raise_for_status()
except ExecutionFailed as error:
    print(error)

# %% [markdown]
# The traceback is there too, as `result.error.traceback`. All of this is in the database: `runner.tasks(execution_id)`
# still tells it tomorrow.
#
# ## Try again
#
# A *retry policy* says how often a task is attempted, and how long to wait in between. Here: up to four times, a tenth
# of a second after the first failure, then two tenths, then four. And only after an `OSError`, which `ConnectionError`
# is: a mistake in your code would fail the same way each time.

# %%
retry = RetryPolicy(
    attempts=4,
    delay=0.1,
    backoff="exponential",
    retry_on=OSError,
)
thermometer.silent_for = 2


@task(retry=retry)
def measure(context: Context) -> None:
    context["tried"] = True
    context["degrees"] = thermometer.read()


patient = Workflow("weather", tasks=[measure, average, greet])

with Runner("weather.db") as runner:
    result = runner.execute(patient).raise_for_status()
    events = runner.events(result.id)

attempts = result.tasks["measure"].attempt
print(result.context["average"], "after", attempts, "attempts")

# %% [markdown]
# `average` depends on the id `measure`, and so follows whichever function has that id in the list of tasks: the new
# one.
#
# Between two attempts the task holds no slot. What a failed attempt wrote, as `tried` above, is thrown away: each
# attempt begins with the context of the first. The events tell the story:

# %%
for event in events:
    if event.task_id == "measure":
        print(event.type, event.detail or "")

# %% [markdown]
# ## A limit on time
#
# Some calls neither answer nor fail. `timeout` limits for how many seconds an attempt may hold a slot. An `async def`
# task is ended on the spot.

# %%
import anyio


@task(timeout=0.2)
async def listen(context: Context) -> None:
    await anyio.sleep(60)


with Runner("weather.db") as runner:
    result = runner.execute(Workflow("patience", tasks=[listen]))

print(result.error.type, result.error.code)
print(result.error.message)

# %% [markdown]
# A `def` task runs in a thread, and Python cannot end a thread from outside. The task fails at its timeout all the
# same, but its slot stays taken until the thread ends. Give network calls in `def` tasks a timeout of their own.
#
# ## What you have
#
# A report that survives a silent thermometer, and this drawing of how it did. The gaps are the delays between attempts:
# the slot is free in them.

# %%
drawing = render_svg(events)
Path("retries.svg").write_text(drawing)
drawing

# %% [markdown]
# A retry is for what fails. A file that has not come yet is no failure: the task should wait for it, and that is what
# the [next lesson](../05-task-handles/) is about.
