from pydantic import BaseModel

from cloacina import Context, Runner, Workflow, task


class Order(BaseModel):
    amount: int


with Workflow("order", input=Order) as order:

    @task
    def ship(context: Context) -> None:
        context["shipped"] = True


with Runner("sqlite://") as runner:
    runner.execute(order, {"amount": "a few"})
