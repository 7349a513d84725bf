from pathlib import Path

from cloacina.packaging import read_project, select_sources

Path("src").mkdir()
Path("src/tasks.py").touch()
Path("src/rows.csv").symlink_to("../rows.csv")
Path("pyproject.toml").write_text("""\
[project]
name = "sales-report"
version = "1.0"
requires-python = ">=3.11"

[tool.cloacina]
entry_module = "tasks"
""")
select_sources(read_project(Path()))
