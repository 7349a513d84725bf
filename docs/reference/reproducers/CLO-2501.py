import sys
from pathlib import Path
from unittest.mock import patch

from cloacina.packaging.signing import load_private_key

# As if the library were not installed.
with patch.dict(sys.modules, {"cryptography": None}):
    load_private_key(Path("release"))
