"""What a reader needs to know of the machine that the results come from; nothing that tells whose it is."""

from __future__ import annotations

import os
import platform
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from typing import Any

_LIBRARIES = ("cloacina", "anyio", "trio", "SQLAlchemy", "pydantic")


def facts() -> dict[str, Any]:
    """Return them by name; the load is the one at the time of the call."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        "libraries": {name: found for name in _LIBRARIES if (found := _version(name))},
    }


def summary(found: dict[str, Any]) -> str:
    """Return facts as one line."""
    libraries = ", ".join(f"{name} {number}" for name, number in found["libraries"].items())
    load = "" if found["load_average"] is None else f" (load {found['load_average']} at the start)"
    return (
        f"{found['cores']} cores{load}, {found['system']} {found['architecture']}, {found['python']}, "
        f"SQLite {found['sqlite']}, {libraries}"
    )


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
