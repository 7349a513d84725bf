from pathlib import Path

from cloacina.packaging import build_package

Path("pyproject.toml").write_text("""\
[project]
name = "sales-report"
version = "1.0"
requires-python = ">=3.11"

[tool.cloacina]
entry_module = "tasks"
""")
Path("dist").touch()  # a file where the folder for packages would be
build_package(Path())
