from cloacina import Workflow

Workflow("daily report")
