"""Dependencies, locked by uv: which versions, which wheel for which target, and which wheels are missing.

`find_uv` looks for uv, `update_lock` writes uv.lock, and `export_lock` reads from it what each target gets. uv runs
through `run_uv`, which turns each of its failures into one error.
"""

from __future__ import annotations

from cloacina.packaging.locking.indexes import wheels_by_index
from cloacina.packaging.locking.lock import Lock, export_lock, find_lock_file, update_lock
from cloacina.packaging.locking.lock_file import LockChange
from cloacina.packaging.locking.processes import ProcessGroup
from cloacina.packaging.locking.uv import TESTED_UV, Uv, find_uv, run_uv
from cloacina.packaging.locking.wheel_selection import SelectedWheel

__all__ = [
    "TESTED_UV",
    "Lock",
    "LockChange",
    "ProcessGroup",
    "SelectedWheel",
    "Uv",
    "export_lock",
    "find_lock_file",
    "find_uv",
    "run_uv",
    "update_lock",
    "wheels_by_index",
]
