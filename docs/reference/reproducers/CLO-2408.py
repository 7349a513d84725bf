from pathlib import Path

from cloacina.packaging import Target, build_package, extract_package

Path("pyproject.toml").write_text("""\
[project]
name = "sales-report"
version = "1.0"
requires-python = ">=3.11"

[tool.cloacina]
entry_module = "tasks"
targets = ["linux-x86_64", "windows-x86_64"]
""")
Path("tasks.py").write_text("from cloacina import task\n\n@task\ndef load(context): ...\n")
package = build_package(Path()).path
extract_package(package, Path("unpacked"), target=Target("macos-arm64", "3.11"))
