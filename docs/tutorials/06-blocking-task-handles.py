# %% [markdown]
# # Wait without a slot, in plain functions
#
# Not all code is `async`. A `def` task can defer too: the same methods, without `await`. You write one, run three
# behind a single slot, and see what is different below the surface.
#
# Put the blocks into a file `blocking.py`, and run it when a block prints something. You should have read
# [the lesson before](../05-task-handles/).
#
# ## The same without await
#
# The handle of a `def` task is a `BlockingTaskHandle`.

# %%
import threading
import time
from pathlib import Path

from cloacina import BlockingTaskHandle, Context, Runner, Workflow, task
from cloacina.observe import render_svg

DATA = Path("data.txt")

with Workflow("deferred_tasks_blocking") as deferred_tasks_blocking:

    @task
    def wait_for_data(context: Context, handle: BlockingTaskHandle) -> None:
        # No slot is held while this waits.
        handle.defer_until(DATA.exists, poll_interval_ms=100)
        context["data"] = str(DATA)

    @task(dependencies=[wait_for_data])
    def process_data(context: Context) -> None:
        numbers = Path(context["data"]).read_text().split()
        context["total"] = sum(map(int, numbers))


def deliver_later(path: Path, seconds: float) -> None:
    path.unlink(missing_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text("12\n30\n")
    threading.Timer(seconds, draft.rename, [path]).start()


deliver_later(DATA, 0.5)
with Runner("blocking.db") as runner:
    result = runner.execute(deferred_tasks_blocking).raise_for_status()

print("The total is", result.context["total"])

# %% [markdown]
# ## Three waits, one slot
#
# Three tasks wait for a file each, and a fourth has work to do. There is one slot. Each wait notes in the context
# whether it held the slot when its condition was asked.

# %%
FILES = {"first": 0.4, "second": 0.7, "third": 1.1}

with Workflow("three_waits") as three_waits:
    for file in FILES:

        @task(id=file)
        def wait_for_file(
            context: Context,
            handle: BlockingTaskHandle,
            file: str = file,
        ) -> None:
            held: list[bool] = []

            def has_come() -> bool:
                held.append(handle.is_slot_held())
                return Path(file).exists()

            handle.defer_until(has_come, poll_interval_ms=100)
            context[file] = held

    @task
    def work(context: Context) -> None:
        time.sleep(0.9)


with Runner("blocking.db", max_concurrent_tasks=1) as runner:
    for file, seconds in FILES.items():
        deliver_later(Path(file), seconds)
    result = runner.execute(three_waits).raise_for_status()
    drawing = render_svg(runner.events(result.id))

print(result.context["first"])

# %% [markdown]
# `True` only in the first call: a condition is asked once before the slot is given back. From then on the task holds
# none. A parameter with a default value, as `file` here, is yours. The runner fills in the context and the handle.

# %%
Path("three-waits.svg").write_text(drawing)
drawing

# %% [markdown]
# All three wait at the same time, and `work` has the slot meanwhile. `first` and `second` queue for it: their files are
# there, but a slot that is in use is not taken away from anybody. That is the price of few slots.
#
# ## What is different
#
# An `async def` task that waits is a few kilobytes of memory. A `def` task that waits keeps its *thread*: its local
# variables live there. So there is a limit to how many may wait at once, `max_blocking_waits`. It is 1000 unless you
# change it. For more, or for ten thousands, write `async def`.
#
# The other difference is cancelling. Python cannot end a thread from outside, so a `def` task learns that it was
# cancelled when it next uses its handle. A wait is such a use, and ends at once:

# %%
log: list[str] = []


@task
def wait_for_nothing(context: Context, handle: BlockingTaskHandle) -> None:
    try:
        handle.defer_until(Path("never").exists, poll_interval_ms=100)
        log.append("this is never reached")
    finally:
        log.append("tidied up")


with Runner("blocking.db") as runner:
    execution = runner.submit(Workflow("in_vain", tasks=[wait_for_nothing]))
    time.sleep(0.3)
    execution.cancel()
    print(execution.wait().status, log)

# %% [markdown]
# ## The wrong handle is refused
#
# A `TaskHandle` has to be awaited, which a `def` function cannot do. You hear of it when the function is decorated, not
# when it runs:

# %%
from cloacina import TaskHandle
from cloacina.errors import WrongHandleType

try:

    @task
    def mistaken(context: Context, handle: TaskHandle) -> None: ...

except WrongHandleType as error:
    print(error)

# %% [markdown]
# ## What you have
#
# Tasks that wait without a slot, in both kinds of functions. Choose by the code that you have: `def` for libraries that
# block, `async def` for those that are awaited, and for very many waits at once. One workflow may hold both kinds.
#
# The whole program of the first part is in the repository, as `examples/deferred_tasks_blocking.py`. Where to go on:
#
# - [How deferral works](../../explanation/task-handle-architecture/): slots, handles, and what is promised of a wait.
# - [How-to guides](../../how-to/): wait for a file, a job at a web service, a rate limit.
# - [Reference of tasks and handles](../../reference/task/): every argument of `defer_until`, and every error.
