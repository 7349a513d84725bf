# %% [markdown]
# # Wait without a slot
#
# A task often has to wait for something outside: a file, a job on another machine, a person. If it sleeps until then,
# it keeps its slot and does nothing with it. In this lesson a task *defers* instead, other tasks use its slot, and you
# read off a drawing that they did. Then you do the same with sleep, and watch it starve.
#
# Put the blocks into a file `waiting.py`, one below the other, and run it when a block prints something. Tasks here are
# `async def`. The [next lesson](../06-blocking-task-handles/) does the same with plain `def`.
#
# ## Ask for a handle
#
# A task that wants to wait takes a second parameter named `handle`. The context is for data; the *handle* is for
# control. `defer_until` takes a condition, which is a function that says whether the waiting is over.

# %%
import threading
import time
from pathlib import Path

from cloacina import Context, Runner, TaskHandle, Workflow, task
from cloacina.observe import render_svg

DATA = Path("data.txt")

with Workflow("deferred_tasks") as deferred_tasks:

    @task
    async def wait_for_data(context: Context, handle: TaskHandle) -> None:
        asked_at = time.monotonic()
        # No slot is held while this waits.
        await handle.defer_until(DATA.exists, poll_interval_ms=100)
        context["waited"] = round(time.monotonic() - asked_at, 1)
        context["data"] = str(DATA)

    @task(dependencies=[wait_for_data])
    def process_data(context: Context) -> None:
        numbers = Path(context["data"]).read_text().split()
        context["total"] = sum(map(int, numbers))


# %% [markdown]
# `wait_for_data` is one function from beginning to end. Below the wait it still knows `asked_at`: local variables stay
# as they are. `process_data` is a consumer. It depends on the task that waits, and needs to know nothing about waiting.
#
# The file has to come from somewhere. A thread that stands for the world outside writes it a little later, under
# another name first: so nobody ever sees half a file.


# %%
def deliver_later(seconds: float) -> None:
    DATA.unlink(missing_ok=True)
    draft = Path("draft.txt")
    draft.write_text("12\n30\n")
    threading.Timer(seconds, draft.rename, [DATA]).start()


deliver_later(0.5)
with Runner("waiting.db") as runner:
    result = runner.execute(deferred_tasks).raise_for_status()

print("The total is", result.context["total"])
print("It took", result.context["waited"], "s of waiting")

# %% [markdown]
# ## Look at it while it waits
#
# `submit` starts an execution and does not wait for its end. So you can ask the database what the task is doing.

# %%
deliver_later(0.5)
with Runner("waiting.db") as runner:
    execution = runner.submit(deferred_tasks)
    time.sleep(0.3)
    for record in runner.tasks(execution.id):
        print(f"{record.task_id:14} {record.status:8} {record.sub_status}")
    (wait,) = runner.waits(execution.id)
    print(wait.phase, "and asking every", wait.poll_interval_ms, "ms")
    print("then", execution.wait().status)

# %% [markdown]
# `Running` and `Deferred`: it has begun, and holds no slot. While it is awake its sub-status is `Active`. Other
# processes can read the same from `waiting.db`.
#
# ## Others use the slot
#
# Now three more tasks join, and the runner gets a single slot. A short sleep stands for their work.

# %%
with Workflow("busy") as busy:

    @task
    async def wait_first(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(DATA.exists, poll_interval_ms=100)

    @task(dependencies=[wait_first])
    def consume(context: Context) -> None:
        context["total"] = sum(map(int, DATA.read_text().split()))

    for name in ("index", "scan", "tidy"):

        @task(id=name)
        def work(context: Context) -> None:
            time.sleep(0.12)


deliver_later(0.5)
with Runner("waiting.db", max_concurrent_tasks=1) as runner:
    result = runner.execute(busy).raise_for_status()
    drawing = render_svg(runner.events(result.id), seconds=1.2)

Path("deferred.svg").write_text(drawing)
drawing

# %% [markdown]
# (The last line shows the drawing here. In your own file it does nothing: open `deferred.svg` in your browser.)
#
# The upper row is the slot, and the dashed bar is the wait. `wait_first` was given the slot first, and gave it back at
# once. The three others used it, one after the other. After half a second the file was there, and `wait_first` took the
# slot again for the moment that it needed. `consume` followed. When the waiting was over, nothing else was left to do.
#
# ## Starve it yourself
#
# Take the same workflow, and let the first task sleep until the file is there. Nothing else changes.

# %%
import anyio

with Workflow("starving") as starving:

    @task
    async def sleep_first(context: Context) -> None:
        while not DATA.exists():
            await anyio.sleep(0.1)

    @task(dependencies=[sleep_first])
    def consume_late(context: Context) -> None:
        context["total"] = sum(map(int, DATA.read_text().split()))

    for name in ("index", "scan", "tidy"):

        @task(id=name)
        def work_late(context: Context) -> None:
            time.sleep(0.12)


deliver_later(0.5)
with Runner("waiting.db", max_concurrent_tasks=1) as runner:
    result = runner.execute(starving).raise_for_status()
    drawing = render_svg(runner.events(result.id), seconds=1.2)

Path("asleep.svg").write_text(drawing)
drawing

# %% [markdown]
# The slot looks busy for the first half second, but its task is asleep. Everything else waits behind it, and the end
# comes later by as much as the others work.
#
# It gets worse when the file comes from a task of the same workflow. Then the sleeper waits for `deliver`, and
# `deliver` waits for the sleeper's slot, for ever. Here you give up after a moment, and cancel:

# %%
with Workflow("stuck") as stuck:

    @task
    async def sleep_for_ever(context: Context) -> None:
        while not DATA.exists():
            await anyio.sleep(0.1)

    @task
    def deliver(context: Context) -> None:
        DATA.write_text("12\n30\n")


DATA.unlink()
with Runner("waiting.db", max_concurrent_tasks=1) as runner:
    execution = runner.submit(stuck)
    try:
        execution.wait(timeout=0.3)
    except TimeoutError:
        for record in runner.tasks(execution.id):
            print(record.task_id, record.status, record.sub_status)
        execution.cancel()
    print("ended:", execution.wait().status)

# %% [markdown]
# `Active` says it: the sleeper holds the only slot, and `deliver` is `Ready` but gets none. More slots would only move
# the limit: four slots are stuck with four sleepers. With `defer_until` both finish behind a single slot.
#
# ## Not for ever
#
# What you wait for may never come. `timeout` bounds a wait in seconds, and then raises `WaitTimeout`. With `default`
# the wait returns that instead, and the task goes on.


# %%
@task
async def wait_a_little(context: Context, handle: TaskHandle) -> None:
    found = await handle.defer_until(
        Path("never.txt").exists,
        poll_interval_ms=50,
        timeout=0.3,
        default=False,
    )
    context["answer"] = "it came" if found else "it did not come"


patience = Workflow("patience", tasks=[wait_a_little])


with Runner("waiting.db") as runner:
    print(runner.execute(patience).context["answer"])

# %% [markdown]
# ## What you have
#
# A task that waits and holds nothing up, its consumer, and two drawings that show what the difference is. Four things
# to take along:
#
# - The condition is asked at once, while the slot is still held. If it holds already, the wait costs nothing. Otherwise
#   the slot is given back, and the condition is asked again after each interval.
# - It is asked many times, and maybe in another thread. Let it look and not act.
# - An interval of 100 ms is for lessons. Usual are 1 to 5 s for files, and 10 to 30 s for a service. The wait may end
#   late by as much. A person or another program can tell you, which needs no polling:
#   [wait for people and messages](../07-signals-and-approvals/).
# - For waits below a few seconds with slots to spare, sleep is simpler, and costs little.
#
# The whole program of the first part is in the repository, as `examples/deferred_tasks.py`.
# [Next](../06-blocking-task-handles/): the same in plain `def` tasks. Or go to work, and
# [wait for a file](../../how-to/wait-for-a-file/). How a slot changes hands, step by step, is told in
# [the explanation](../../explanation/task-handle-architecture/).
