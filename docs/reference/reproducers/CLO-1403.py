from cloacina import Runner

with Runner("oracle://reports"):
    pass
