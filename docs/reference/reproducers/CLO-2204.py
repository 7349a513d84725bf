from pathlib import Path

from cloacina.packaging import find_uv, read_project, update_lock

Path("pyproject.toml").write_text("""\
[project]
name = "sales-report"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["nunpy"]

[tool.uv]
no-index = true

[tool.cloacina]
entry_module = "tasks"
""")
update_lock(read_project(Path()), find_uv())
