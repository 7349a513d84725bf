from cloacina import Context

context = Context()
context["tags"] = {"new", "urgent"}
