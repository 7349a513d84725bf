import time

from cloacina import Context, Runner, TaskHandle, Workflow, task


@task
async def ship(context: Context, handle: TaskHandle) -> None:
    await handle.request_approval("Ship it?")


with Runner("orders.db") as runner:
    runner.submit(Workflow("order", tasks=[ship]))
    while not (questions := runner.questions()):
        time.sleep(0.05)
    runner.answer(questions[0].id, True, by="ada")
    runner.answer(questions[0].id, False, by="bob")
