"""How long importing takes, and opening a runner: each in a process that has loaded nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.fresh_process import least_seconds

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
    (imported,) = least_seconds(folder, _IMPORT)
    open_new, after_imports = least_seconds(folder, _OPEN, f"{folder}/new-{{}}.db")
    open_existing, _ = least_seconds(folder, _OPEN, f"{folder}/existing.db")
    return {"import": imported, "open_new": open_new, "open_existing": open_existing, "open": after_imports}
