from pathlib import Path
from zipfile import ZipFile

from cloacina.packaging import export_lock, find_uv, read_project, update_lock

# An index with one wheel: for Linux on x86_64, and for one version of Python.
Path("wheels").mkdir()
with ZipFile("wheels/regions-1.0-cp311-cp311-manylinux_2_28_x86_64.whl", "w") as wheel:
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
targets = ["linux-x86_64", "macos-arm64"]
python = ["3.11", "3.12"]
""")
project, uv = read_project(Path()), find_uv()
update_lock(project, uv)
export_lock(project, uv, project.targets())
