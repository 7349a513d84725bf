"""How long it takes to build a package for several targets from a warm cache, how large it is, and to read it back.

The first build fills uv's cache, which may need the network, and is not measured.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from anyio.to_thread import run_sync

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_ResultT = TypeVar("_ResultT")

_PYPROJECT = """
[project]
name = "measured"
version = "1.0"
requires-python = ">=3.11"
dependencies = [{dependencies}]

[tool.cloacina]
entry_module = "flow"
targets = [{targets}]
python = "3.11"
"""
_FLOW = """
from cloacina import Context, task

{imports}


@task
def work(context: Context) -> None:
    context["done"] = True
"""


async def measure(folder: Path, *, targets: Sequence[str], dependencies: Sequence[str]) -> dict[str, float]:
    """Return the seconds of a build and of a verification, and the size of the package in MB."""
    from cloacina.packaging import build_package, read_package  # noqa: PLC0415 - the floor of other rows needs none

    project = write_project(folder, targets=targets, dependencies=dependencies)
    await run_sync(partial(build_package, project))
    build, result = await run_sync(partial(_timed, partial(build_package, project)))
    verify, _ = await run_sync(partial(_timed, partial(read_package, result.path)))
    return {"build": build, "size": result.packed_size / 1e6, "verify": verify}


def write_project(folder: Path, *, targets: Sequence[str], dependencies: Sequence[str]) -> Path:
    """Write the project that is built; return its folder."""
    project = folder / "measured"
    (project / "src").mkdir(parents=True)
    (project / "pyproject.toml").write_text(
        _PYPROJECT.format(
            dependencies=", ".join(f'"{name}"' for name in dependencies),
            targets=", ".join(f'"{name}"' for name in targets),
        )
    )
    imports = "\n".join(f"import {name}" for name in dependencies)
    (project / "src" / "flow.py").write_text(_FLOW.format(imports=imports))
    return project


def _timed(work: Callable[[], _ResultT]) -> tuple[float, _ResultT]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result
