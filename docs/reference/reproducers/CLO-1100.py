from cloacina import Runner, Workflow

report = Workflow("report")  # neither a `with` block nor tasks=[...] has given it tasks
with Runner("sqlite://") as runner:
    runner.execute(report)
