from cloacina import Context, RetryPolicy, Runner, TaskHandle, Workflow, task

with Workflow("payment") as payment:

    @task(retry=RetryPolicy(attempts=2, delay=0))
    async def wait(context: Context, handle: TaskHandle) -> None:
        if handle.attempt == 1:
            await handle.request_approval("Pay?", name="paid")
            raise ConnectionError
        await handle.wait_for("paid")


with Runner("sqlite://") as runner:
    execution = runner.submit(payment)
    while not (questions := runner.questions()):
        pass
    runner.answer(questions[0].id, True)
    result = execution.wait()

print(result.error)
