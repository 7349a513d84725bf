# %% [markdown]
# # Pass data through the context
#
# The workflow of the [first lesson](../01-first-workflow/) always measured the same. Now it is told where to measure,
# and a second task works on what the first one found.
#
# Begin `weather.py` anew with this block. As before, put the blocks one below the other, and run the file when
# a block prints something.
#
# ## Data goes in
#
# `measure` reads `station` from the context. Nobody has written it: it will come from outside. `average` declares that
# it depends on `measure`, so it runs after it and sees what it has written.

# %%
from cloacina import Context, Runner, Workflow, task

READINGS = {
    "harbour": [11.5, 12.0, 14.5, 16.0, 13.0],
    "summit": [-3.0, -2.5, 0.5, 1.0, -1.0],
}

with Workflow("weather") as weather:

    @task
    def measure(context: Context) -> None:
        context["degrees"] = READINGS[context["station"]]

    @task(dependencies=[measure])
    def average(context: Context) -> None:
        degrees = context["degrees"]
        context["average"] = sum(degrees) / len(degrees)


# %% [markdown]
# The second argument of `execute` is the *initial context*.

# %%
with Runner("weather.db") as runner:
    result = runner.execute(weather, {"station": "summit"})

for key, value in result.context.items():
    print(key, "=", value)

# %% [markdown]
# The result holds the initial context, and the changes of both tasks.
#
# ## What a task may write
#
# The context is stored in the database, so it holds what JSON holds: text, numbers, `True` and `False`, `None`, lists,
# and dicts with text as keys. Anything else is refused at the line that writes it, with the place of the value:

# %%
from cloacina.errors import NotJSONSerializable

try:
    Context()["extremes"] = {"low": -3.0, "high": float("nan")}
except NotJSONSerializable as error:
    print(error)

# %% [markdown]
# The message ends with a code, and with the address at which this site is to be published. To look a code up, you need
# no network: type `cloacina explain CLO-1002` in a terminal, or see [the errors](../../reference/errors/) here.
#
# Put into the context what the next task needs, and no more. A large file stays a file: pass its path.
#
# ## Each task has its own copy
#
# What a task changes reaches the tasks that depend on it, and the result; nobody else sees it. The dict that you passed
# is not touched either:

# %%
request = {"station": "harbour"}
with Runner("weather.db") as runner:
    runner.execute(weather, request)
print(request)

# %% [markdown]
# ## Refuse wrong input
#
# A station that nobody knows would fail in the middle of the run. A model says beforehand what the workflow takes. It
# is a [pydantic](https://docs.pydantic.dev/) model, which was installed along with Cloacina.

# %%
from typing import Literal

from pydantic import BaseModel

from cloacina.errors import InvalidInput


class Request(BaseModel):
    station: Literal["harbour", "summit"]
    unit: str = "°C"


checked = Workflow("weather", tasks=[measure, average], input=Request)

with Runner("weather.db") as runner:
    try:
        runner.execute(checked, {"station": "sumit"})
    except InvalidInput as error:
        print(error)

# %% [markdown]
# Nothing was stored and nothing ran. The tasks are the same functions as before: a list of them makes a workflow as
# well as a `with` block does.
#
# ## What you have
#
# One workflow, run for each station. The unit was filled in by the model.

# %%
with Runner("weather.db") as runner:
    for station in READINGS:
        found = runner.execute(checked, {"station": station}).context
        print(f"{station:8} {found['average']:5.1f} {found['unit']}")

# %% [markdown]
# [Next](../03-dependencies/), the report gets more parts, and those that don't need each other run side by side.
