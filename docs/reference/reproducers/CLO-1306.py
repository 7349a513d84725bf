from cloacina import Runner

with Runner("sqlite://") as runner:
    runner.wait("no-such-execution")
