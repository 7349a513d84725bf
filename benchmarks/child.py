"""One run of one workload in a process of its own: `python -m benchmarks.child WORKLOAD CONTESTANT OPTIONS`.

The contestant is `floor`, `asyncio` or `trio`; the options are the keyword arguments of the workload's `measure`, as
JSON. The figures are printed as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory


def main(workload: str, contestant: str, options: str) -> None:
    """Measure, and print the figures."""
    # What a disk takes is measured by those that ask for it, and not in everything.
    os.environ["CLOACINA_DURABILITY"] = "fast"
    with TemporaryDirectory(prefix="cloacina-benchmark-") as folder:
        arguments = json.loads(options)
        if contestant == "floor":
            measure_floor = getattr(import_module("benchmarks.floor"), workload)
            figures = asyncio.run(measure_floor(Path(folder), **arguments))
        else:
            import anyio  # noqa: PLC0415 - nothing but sqlite3 and asyncio takes part in the floor

            measure = import_module(f"benchmarks.workloads.{workload}").measure
            figures = anyio.run(partial(measure, Path(folder), **arguments), backend=contestant)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
