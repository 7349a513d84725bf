# %% [markdown]
# # Test workflows
#
# A workflow that waits for days, asks people and outlives crashes has to be tested in milliseconds. In this lesson you
# test an order in virtual time, play the people that it asks, and crash it at every wait. That shows what it would do
# twice, and you mend it.
#
# Put the blocks into a file `test_orders.py`. The blocks that call a test are there to show what it does here; with
# [pytest](https://docs.pytest.org/) you leave them out. You should know [signals and
# approvals](../07-signals-and-approvals/).
#
# ## The workflow
#
# The outside world is one object, so that a test can put another one in its place.

# %%
from datetime import timedelta

from cloacina import Context, Runner, TaskHandle, Workflow, task
from cloacina.testing import VirtualClock, answer, run_workflow, send_signal


class World:
    def __init__(self) -> None:
        self.done: list[str] = []

    def do(self, what: str) -> str:
        self.done.append(what)
        return f"receipt of {what}"


world = World()

with Workflow("order") as order:

    @task
    async def settle(context: Context, handle: TaskHandle) -> None:
        context["receipt"] = await handle.checkpoint("charge", lambda: world.do("charge"))
        await handle.wait_for("paid", timeout=timedelta(days=14))

    @task(dependencies=[settle])
    async def ship(context: Context, handle: TaskHandle) -> None:
        world.do("mail")
        await handle.defer_for(timedelta(days=3))
        context["ships"] = await handle.request_approval("Ship it?")


# %% [markdown]
# ## Fourteen days in a test
#
# `run_workflow` runs it in memory, in *virtual time*: when every task waits, the clock jumps to what is due next. What
# the workflow waits for is given as `signals` and `answers`, and comes when a task waits for it.


# %%
def test_an_order_ships_after_three_days() -> None:
    clock = VirtualClock()
    result = run_workflow(order, signals=[("paid", None)], answers={"Ship it?": True}, clock=clock)
    assert result.raise_for_status().context == {"receipt": "receipt of charge", "ships": True}
    assert clock.elapsed == timedelta(days=3)


test_an_order_ships_after_three_days()
print("done:", world.done)

# %% [markdown]
# ## Nobody pays
#
# Time passes as well when nothing comes. A failed execution is a result, so a test looks at it.


# %%
def test_an_order_that_nobody_pays_fails_after_fourteen_days() -> None:
    clock = VirtualClock()
    result = run_workflow(order, clock=clock)
    assert result.error is not None
    assert result.error.type.endswith("WaitTimeout")
    assert clock.elapsed == timedelta(days=14)


test_an_order_that_nobody_pays_fails_after_fourteen_days()
print("the signal did not come, and that took no time")

# %% [markdown]
# ## What would a crash do?
#
# When its process dies, a task [runs again from its start](../../explanation/durability/#what-runs-again). With
# `recover_at_every_wait=True` the runner ends each time that a task begins to wait, and another one goes on.

# %%
world.done.clear()
result = run_workflow(
    order,
    signals=[("paid", None)],
    answers={"Ship it?": True},
    recover_at_every_wait=True,
)
print(result.status, "after", len(result.recoveries), "crashes")
print("done:", world.done)
for call in result.ran_again:
    print(f"task {call.task_id!r} called {call.text} in {call.times} processes")

# %% [markdown]
# The customer was charged once, because that is a checkpoint. The mail was sent three times: once by each process that
# came to the line. The task has to say that it is a step:

# %%
with Workflow("order") as careful_order:

    @task
    async def settle_once(context: Context, handle: TaskHandle) -> None:
        context["receipt"] = await handle.checkpoint("charge", lambda: world.do("charge"))
        await handle.wait_for("paid", timeout=timedelta(days=14))

    @task(dependencies=[settle_once])
    async def ship_once(context: Context, handle: TaskHandle) -> None:
        await handle.checkpoint("mail", lambda: world.do("mail"))
        await handle.defer_for(timedelta(days=3))
        context["ships"] = await handle.request_approval("Ship it?")


def test_a_crash_does_nothing_twice() -> None:
    world.done.clear()
    result = run_workflow(
        careful_order,
        signals=[("paid", None)],
        answers={"Ship it?": True},
        recover_at_every_wait=True,
    )
    assert result.raise_for_status().context["ships"]
    assert not result.ran_again, result.report()
    assert world.done == ["charge", "mail"]


test_a_crash_does_nothing_twice()
print("done:", world.done)

# %% [markdown]
# The report is the message of the assertion: it names each call that ran again, with its file and line.
#
# ## Step by step
#
# A test that looks at an order on its way opens a runner itself. `send_signal` and `answer` wait until a task waits for
# that; in virtual time nothing else happens meanwhile, so the fourteen days are not over.


# %%
def test_an_order_waits_for_its_money() -> None:
    clock = VirtualClock()
    with Runner("sqlite://", clock=clock) as runner:
        execution = runner.submit(careful_order)
        send_signal(runner, execution, "paid")
        assert clock.elapsed == timedelta(0)
        answer(runner, "Ship it?", False, by="Ada")
        assert execution.wait().context["ships"] is False


test_an_order_waits_for_its_money()
print("Ada said no")

# %% [markdown]
# With pytest you need not open it: a test that takes `cloacina_runner` is given such a runner, and `cloacina_clock` is
# its clock. After the test, the fixture looks that no slot was lost.
#
# ## What you have seen
#
# - `run_workflow` runs a workflow in virtual time, and gives it signals and answers.
# - `recover_at_every_wait=True` crashes at each wait; `ran_again` tells what was done outside of checkpoints.
# - `send_signal` and `answer` come in the moment in which they are waited for.
#
# [Crashes and signals in tests](../../reference/testing-recovery/) is the reference of all that, and
# [handles without a runner](../../reference/testing-handles/) test a single task.
