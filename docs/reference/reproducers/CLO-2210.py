import os
import sys
from pathlib import Path
from unittest.mock import patch

from cloacina.packaging import find_uv, read_project, update_lock

# As if this were the only uv, and something went wrong in it.
Path("uv").write_text("""\
#!/bin/sh
[ "$1" = --version ] && echo uv 0.13.8 && exit
echo "error: Failed to start the worker threads" >&2
exit 2
""")
Path("uv").chmod(0o755)

Path("pyproject.toml").write_text("""\
[project]
name = "sales-report"
version = "1.0"
requires-python = ">=3.11"

[tool.cloacina]
entry_module = "tasks"
""")
with patch.dict(os.environ, {"PATH": str(Path.cwd())}), patch.dict(sys.modules, {"uv": None}):
    update_lock(read_project(Path()), find_uv())
