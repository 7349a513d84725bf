"""How long importing takes, and opening a runner on a new file: each in a process that has loaded nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_IMPORT = """
import time
began = time.perf_counter()
import cloacina
print([time.perf_counter() - began])
"""

_OPEN = """
import sys, time
began = time.perf_counter()
import cloacina
cloacina.Runner
imported = time.perf_counter()
with cloacina.Runner(sys.argv[1]):
    opened = time.perf_counter()
print([opened - began, opened - imported])
"""


async def measure(folder: Path) -> dict[str, float]:
    """Return the seconds of `import cloacina`, and of opening a `Runner`, with its imports and after them."""
    (imported,) = _run(_IMPORT)
    with_imports, after_imports = _run(_OPEN, f"sqlite:///{folder / 'measured.db'}")
    return {"import": imported, "open_with_imports": with_imports, "open": after_imports}


def _run(program: str, *arguments: str) -> list[float]:
    ended = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    seconds: list[float] = json.loads(ended.stdout)
    return seconds
