"""How long importing takes, and opening a runner, beside the libraries that an engine needs for its database and loop.

Each in a process that has loaded nothing else. They take turns, so that what else the machine does is the same for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.fresh_process import least_seconds

if TYPE_CHECKING:
    from pathlib import Path

_IMPORT = """
import time
began = time.perf_counter()
import {}
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
    """Return what importing and opening take in percent of importing the libraries, and in seconds."""
    found = least_seconds(
        folder,
        {
            "libraries": (_IMPORT.format("sqlalchemy, anyio"),),
            "import": (_IMPORT.format("cloacina"),),
            "existing": (_OPEN, f"{folder}/existing.db"),
            "new": (_OPEN, f"{folder}/new-{{}}.db"),
        },
    )
    (libraries,) = found["libraries"]
    return {
        "import": 100 * found["import"][0] / libraries,
        "open_existing": 100 * found["existing"][0] / libraries,
        "open_new": 100 * found["new"][0] / libraries,
        "seconds": found["new"][0],
        "open": found["new"][1],
    }
