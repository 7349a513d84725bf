from pathlib import Path

from cloacina.packaging import export_lock, find_uv, read_project

Path("pyproject.toml").write_text("""\
[project]
name = "sales-report"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["numpy"]

[tool.cloacina]
entry_module = "tasks"
""")
project = read_project(Path())
export_lock(project, find_uv(), project.targets())
