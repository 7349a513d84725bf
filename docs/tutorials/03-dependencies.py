# %% [markdown]
# # Order tasks by what they need
#
# A report needs an average and the extremes. Both need the measured values, but they don't need each other. You say who
# needs what. The runner finds the order, and runs side by side what can run side by side.
#
# Begin `weather.py` anew with this block. As before, put the blocks one below the other, and run the file when a block
# prints or draws something. The sleeps stand for work that takes its time.

# %%
import time
from pathlib import Path

from cloacina import Context, Runner, Workflow, task
from cloacina.observe import render_svg

with Workflow("weather") as weather:

    @task
    def measure(context: Context) -> None:
        time.sleep(0.15)
        context["degrees"] = [11.5, 12.0, 14.5, 16.0, 13.0]

    @task(dependencies=[measure])
    def average(context: Context) -> None:
        time.sleep(0.4)
        degrees = context["degrees"]
        context["average"] = sum(degrees) / len(degrees)

    @task(dependencies=[measure])
    def extremes(context: Context) -> None:
        time.sleep(0.4)
        degrees = context["degrees"]
        context["extremes"] = [min(degrees), max(degrees)]

    @task(dependencies=[average, extremes])
    def report(context: Context) -> None:
        time.sleep(0.15)
        low, high = context["extremes"]
        middle = context["average"]
        context["report"] = f"{middle:.1f} °C on average, {low} to {high}"


# %% [markdown]
# `report` depends on two tasks. It starts when both have completed. Its context holds what all its ancestors have
# written: these two, and `measure`.

# %%
with Runner("weather.db") as runner:
    result = runner.execute(weather)
    drawing = render_svg(runner.events(result.id))

print(result.context["report"])

# %% [markdown]
# ## See who ran when
#
# `render_svg` has drawn the execution from its events. Write the drawing to a file, and open `weather.svg` in your
# browser. The last line shows it on this page, as it would in a notebook; in your file it does nothing.

# %%
Path("weather.svg").write_text(drawing)
drawing

# %% [markdown]
# Each bar is a task in a slot. `average` and `extremes` have run at the same time. There are four slots, and two were
# enough. In a browser, rest the pointer on a bar to read from when to when it lasted.
#
# With one slot the two take turns, and the whole takes longer:

# %%
with Runner("weather.db", max_concurrent_tasks=1) as runner:
    result = runner.execute(weather)
    drawing = render_svg(runner.events(result.id))

Path("one-slot.svg").write_text(drawing)
drawing

# %% [markdown]
# ## Mistakes show when the workflow is built
#
# A dependency that isn't there, a circle, two tasks of one name: the workflow is refused before anything runs.

# %%
from cloacina.errors import UnknownDependency

try:
    Workflow("weather", tasks=[average])
except UnknownDependency as error:
    print(error)

# %% [markdown]
# ## When two tasks write the same key
#
# Of two tasks in a row, the later one may replace what the earlier one wrote. But `north` and `south` here run side by
# side, and which of them ends last is chance. Cloacina does not leave a result to chance. It is an error:

# %%
with Workflow("wind") as wind:

    @task
    def north(context: Context) -> None:
        context["gusts"] = [31, 52]

    @task
    def south(context: Context) -> None:
        context["gusts"] = [44]

    @task(dependencies=[north, south])
    def strongest(context: Context) -> None:
        context["strongest"] = max(context["gusts"])


with Runner("weather.db") as runner:
    result = runner.execute(wind)

print(result.status)
print(result.error.message)

# %% [markdown]
# The message with `cannot start` was logged, by Python's `logging` under the name `cloacina`. The rest was printed.
#
# The best mend is two keys. Where one key is what you want, say how its values are joined: a function gets the list of
# them, in the order of the tasks.

# %%


def in_one_list(lists: list[list[int]]) -> list[int]:
    return [gust for gusts in lists for gust in gusts]


joined = Workflow(
    "wind",
    tasks=[north, south, strongest],
    merge={"gusts": in_one_list},
)

with Runner("weather.db") as runner:
    result = runner.execute(joined).raise_for_status()

print(result.context["gusts"], "strongest:", result.context["strongest"])

# %% [markdown]
# `raise_for_status` returns the result of an execution that completed, and raises for one that failed. It saves you
# from reading values that are not there.
#
# ## What you have
#
# A report made by four tasks, in an order that you never wrote down, and two drawings of it.
# [Next](../04-errors-and-retries/), the thermometer stops answering.
