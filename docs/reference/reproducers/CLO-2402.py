from pathlib import Path

from cloacina.packaging import build_package, read_package

Path("pyproject.toml").write_text("""\
[project]
name = "sales-report"
version = "1.0"
requires-python = ">=3.11"

[tool.cloacina]
entry_module = "tasks"
""")
Path("tasks.py").write_text("from cloacina import task\n\n@task\ndef load(context): ...\n")
package = build_package(Path()).path

half = package.read_bytes()[: package.stat().st_size // 2]
Path("half.cloacina").write_bytes(half)
read_package(Path("half.cloacina"))
