import os
import sys
from pathlib import Path
from unittest.mock import patch

from cloacina.packaging import find_uv

# As if this were the only uv.
Path("uv").write_text("#!/bin/sh\necho uv 0.4.2\n")
Path("uv").chmod(0o755)
with patch.dict(os.environ, {"PATH": str(Path.cwd())}), patch.dict(sys.modules, {"uv": None}):
    find_uv()
