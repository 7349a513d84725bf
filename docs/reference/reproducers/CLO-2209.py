from pathlib import Path
from zipfile import ZipFile

from cloacina.packaging import export_lock, find_uv, read_project, update_lock

# A folder of wheels: an index that gives no hashes.
Path("wheels").mkdir()
with ZipFile("wheels/regions-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("regions-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: regions\nVersion: 1.0\n")
    wheel.writestr("regions-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")

Path("pyproject.toml").write_text("""\
[project]
name = "sales-report"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["regions"]

[[tool.uv.index]]
url = "wheels"
format = "flat"
default = true

[tool.cloacina]
entry_module = "tasks"
""")
project, uv = read_project(Path()), find_uv()
update_lock(project, uv)
export_lock(project, uv, project.targets())
