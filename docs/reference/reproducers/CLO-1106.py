from cloacina import task


@task
def add(left: int, right: int) -> None: ...
