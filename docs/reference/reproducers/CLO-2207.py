from pathlib import Path

from cloacina.packaging import export_lock, find_uv, read_project, update_lock

Path("regions").mkdir()
Path("regions/pyproject.toml").write_text('[project]\nname = "regions"\nversion = "1.0"\n')
Path("pyproject.toml").write_text("""\
[project]
name = "sales-report"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["regions"]

[tool.uv.sources]
regions = { path = "regions" }

[tool.cloacina]
entry_module = "tasks"
""")
project, uv = read_project(Path()), find_uv()
update_lock(project, uv)
export_lock(project, uv, project.targets())
