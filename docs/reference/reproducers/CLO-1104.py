from cloacina import Workflow

with Workflow("nothing_to_do"):
    pass
