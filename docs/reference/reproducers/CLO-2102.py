from pathlib import Path

from cloacina.packaging import read_project

Path("pyproject.toml").write_text("""\
[project]
name = "sales-report"
version = "1.0"

[tool.cloacina]
entry-module = "sales.tasks"
targets = ["linux-amd64"]
""")
read_project(Path())
