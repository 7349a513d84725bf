# %% [markdown]
# # Wait for people and messages
#
# A file or a job has to be looked for, again and again. A person, or another program, can tell you. In this lesson an
# order waits for an approval, for a message and for a time. Somebody else sends the first two, through the database.
# In the end you kill the program in the middle of the order, and see the next one finish it.
#
# Put the blocks into a file `ordering.py`, one below the other, and run it when a block prints something. You should
# know [handles](../05-task-handles/); everything here works in `def` tasks too, without `await`.
#
# ## Ask for an approval
#
# `request_approval` asks a question and waits for a yes or a no. The task holds no slot meanwhile.

# %%
import time
from pathlib import Path

from cloacina import Client, Context, Runner, TaskHandle, Workflow, task

for old in Path().glob("ordering.db*"):
    old.unlink()  # so that you can run the file again, from the beginning

with Workflow("buying") as buying:

    @task
    async def approve(context: Context, handle: TaskHandle) -> None:
        question = f"Buy {context['item']} for {context['price']}?"
        context["approved"] = await handle.request_approval(question)


# %% [markdown]
# The question goes into the database. Whoever answers needs no runner, but a *client*: it opens the same file, and runs
# nothing. Here it is in the same program. It could be a web application on the same machine.


# %%
def approve_next(client: Client) -> None:
    while not (questions := client.questions()):
        time.sleep(0.05)
    print("Ada is asked:", questions[0].text)
    client.answer(questions[0].id, True, by="Ada")


with Runner("ordering.db") as runner, Client("ordering.db") as client:
    execution = runner.submit(buying, {"item": "tea", "price": 12})
    approve_next(client)
    print(execution.wait().context)

# %% [markdown]
# Without Python, `cloacina questions` lists what is asked, and `cloacina answer` answers it.
#
# ## Wait for a signal
#
# A *signal* is a message with a name. Nobody is asked; it just comes, as from the webhook of a shop. `wait_for` returns
# what was sent with it. A model says what that has to look like:

# %%
from pydantic import BaseModel


class Parcel(BaseModel):
    number: str
    weight: float


with Workflow("delivery") as delivery:

    @task
    async def approve_order(context: Context, handle: TaskHandle) -> None:
        question = f"Buy {context['item']} for {context['price']}?"
        context["approved"] = await handle.request_approval(question)

    @task(dependencies=[approve_order])
    async def wait_for_parcel(context: Context, handle: TaskHandle) -> None:
        parcel = await handle.wait_for("sent", model=Parcel)
        context["parcel"] = parcel.number


# %% [markdown]
# A signal is for one execution. A client can name it by a key of your own, such as the number of the order:

# %%
order = ("delivery", "order-17")

with Runner("ordering.db") as runner, Client("ordering.db") as client:
    wanted = {"item": "tea", "price": 12}
    execution = runner.submit(delivery, wanted, key="order-17")
    # Nobody waits for it yet. It is kept until somebody does.
    client.signal(order, "sent", {"number": "P1", "weight": 0.5})
    approve_next(client)
    print(execution.wait().context["parcel"])

# %% [markdown]
# The signal came before the task had begun, and was there when it asked. So it does not matter who is first.
#
# ## Wait for a time, or for whatever comes first
#
# `defer_for` waits for some time. `wait_any` waits for the first of several things, signals and times among them, and
# returns which it was and what it brought:

# %%
from cloacina import After, Signal


@task
async def follow(context: Context, handle: TaskHandle) -> None:
    await handle.defer_for(0.2)  # nothing ever comes sooner
    firsts = [Signal("arrived"), Signal("lost"), After(0.5)]
    which, payload = await handle.wait_any(firsts)
    context["end"] = ["arrived", "lost", "nobody knows"][which]
    if firsts[which] == Signal("lost"):
        context["why"] = payload


following = Workflow("following", tasks=[follow])

with Runner("ordering.db") as runner, Client("ordering.db") as client:
    told = runner.submit(following)
    client.signal(told.id, "lost", "fell into the canal")
    forgotten = runner.submit(following)
    print(told.wait().context)
    print(forgotten.wait().context)

# %% [markdown]
# ## Kill it
#
# Days may pass until somebody answers, and programs end meanwhile. The next program is a file of its own, because it
# will be killed. It pays, and then waits for an approval. `checkpoint` stores the result of a step: so the step is not
# made again when the task is.

# %%
import subprocess
import sys

Path("shop.py").write_text("""
from pathlib import Path

from cloacina import Context, TaskHandle, Workflow, task

def pay() -> str:
    with Path("payments.txt").open("a") as file:
        file.write("paid 12\\n")
    return "receipt 1"

with Workflow("shop") as shop:

    @task
    async def buy(context: Context, handle: TaskHandle) -> None:
        context["receipt"] = await handle.checkpoint("pay", pay)
        context["kept"] = await handle.request_approval("Keep it?")
""")
for old in [*Path().glob("shop.db*"), *Path().glob("payments.txt")]:
    old.unlink()

command = [sys.executable, "-m", "cloacina", "run", "shop.py"]
command += ["--database", "shop.db"]
process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

with Client("shop.db") as client:
    while not client.questions():
        time.sleep(0.05)
    process.kill()
    process.wait()
    print(client.executions()[0].status)
    # The program is gone. The question is not, and can be answered:
    approve_next(client)

# %% [markdown]
# Nobody is at work on the execution now. A runner that knows the workflow takes it up:

# %%
from shop import shop

with Runner("shop.db") as runner:
    runner.register(shop)
    (left,) = runner.executions()
    result = runner.wait(left.id)

print(result.status, result.context)
print(Path("payments.txt").read_text())

# %% [markdown]
# ## What you have
#
# An order that was approved by somebody else, was told of its parcel, and outlived its program. It was paid once. Four
# things to take along:
#
# - Ask with `request_approval` or `request_input`; wait for messages with `wait_for`, for times with `defer_for`. None
#   of them polls: the task goes on at once.
# - Questions, answers and signals are in the database. They wait for each other, in any order, across programs.
# - When a program dies, its tasks begin again from their first line. What was answered is answered again at once. Put
#   what must not be repeated into a `checkpoint`.
# - A checkpoint whose program dies before its result is stored is made again.
#   [What happens twice](../../explanation/durability/#what-happens-twice) tells what to do about that.
#
# Next, [survive a crash](../08-survive-a-crash/) in the middle of a step. Or go to work, and
# [wait for an approval](../../how-to/wait-for-an-approval/). The
# [explanation](../../explanation/durability/#recovery) tells what is stored and what runs again.
