from cloacina import Runner

with Runner("sqlite://") as runner:
    runner.execute("daily_report")
