from cloacina import Runner

runner = Runner("sqlite://")
runner.executions()
