import os
from pathlib import Path

from cloacina.packaging import find_uv, read_project, update_lock

Path("pyproject.toml").write_text("""\
[project]
name = "sales-report"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["numpy"]

[tool.cloacina]
entry_module = "tasks"
""")
os.environ["UV_CACHE_DIR"] = str(Path("an-empty-cache").absolute())
update_lock(read_project(Path()), find_uv(), offline=True)
