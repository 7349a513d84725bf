import os
import sys
from unittest.mock import patch

from cloacina.packaging import find_uv

# As if uv were neither on PATH nor installed beside Cloacina.
with patch.dict(os.environ, {"PATH": ""}), patch.dict(sys.modules, {"uv": None}):
    find_uv()
