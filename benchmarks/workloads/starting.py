"""How long whole processes take that do one thing on a database that exists: from starting Python to its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.fresh_process import run_fresh
from cloacina import AsyncClient

if TYPE_CHECKING:
    from pathlib import Path

_TIMES = 9

_FIRST_RESULT = """
import sys, anyio
from cloacina import AsyncRunner, Workflow, task

@task
async def nothing(context): ...

async def main():
    async with AsyncRunner(sys.argv[1]) as runner:
        (await runner.execute(Workflow("nothing", tasks=[nothing]))).raise_for_status()

anyio.run(main)
"""
_SIGNAL = "import sys; from cloacina.cli import main; sys.exit(main())"


async def measure(folder: Path) -> dict[str, float]:
    """Return the least seconds of a first result, of `cloacina signal`, and of a Python that does nothing."""
    database = str(folder / "existing.db")
    async with AsyncClient(database) as client:
        execution = await client.submit("waiting")
    programs = {
        "python": ("pass",),
        "first_result": (_FIRST_RESULT, database),
        "signal": (_SIGNAL, "signal", execution.id, "paid", "3", "--database", database),
    }
    found: dict[str, list[float]] = {name: [] for name in programs}
    # In the first round their bytecode is cached.
    for is_counted in (False, *(True for _ in range(_TIMES))):
        for name, command in programs.items():
            began = time.perf_counter()
            run_fresh(folder, command)
            if is_counted:
                found[name].append(time.perf_counter() - began)
    return {name: min(seconds) for name, seconds in found.items()}
