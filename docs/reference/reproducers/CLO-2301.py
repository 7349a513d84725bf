import os
from pathlib import Path

from cloacina.packaging import build_package
from cloacina.packaging.building.reproducibility import compare

Path("pyproject.toml").write_text("""\
[project]
name = "sales-report"
version = "1.0"
requires-python = ">=3.11"

[tool.cloacina]
entry_module = "tasks"
""")
Path("tasks.py").write_text("from cloacina import task\n\n@task\ndef load(context): ...\n")

first = build_package(Path(), Path("first"))
os.environ["SOURCE_DATE_EPOCH"] = "1800000000"
second = build_package(Path(), Path("second"))
compare(first.path, second.path)
