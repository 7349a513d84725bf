from cloacina import Runner

Runner("sqlite://", max_concurrent_tasks=0)
