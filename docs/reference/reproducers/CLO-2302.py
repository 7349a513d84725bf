from pathlib import Path

from cloacina.packaging import build_package, host_target

Path("pyproject.toml").write_text("""\
[project]
name = "sales-report"
version = "1.0"
requires-python = ">=3.11"

[tool.cloacina]
entry_module = "tasks"
""")
Path("tasks.py").write_text("""\
import regions  # is not in [project] dependencies

from cloacina import task

@task
def load(context): ...
""")
here = host_target()
build_package(Path(), platforms=[here.platform], pythons=[here.python])
