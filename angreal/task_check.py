"""`angreal check`: format, lint, types, import arrows, and what may be in the repository."""

from __future__ import annotations

import sys
from pathlib import Path

import angreal

from project import ROOT, run, run_module
from tracked_files import findings


@angreal.command(name="check", about="Check format, lint, types, import arrows and tracked files")
def check() -> None:
    """Run every check, also after one has failed, and leave with exit code 1 if any did."""
    checks = {
        "format": lambda: run_module("ruff", "format", "--check", "."),
        "lint": lambda: run_module("ruff", "check", "."),
        "mypy": lambda: run_module("mypy"),
        # Without the interpreter's path pyright looks for packages in the Python that is first on the PATH.
        "pyright": lambda: run_module("pyright", "--pythonpath", sys.executable),
        "import arrows": lambda: run([str(Path(sys.executable).with_name("lint-imports"))]),
        "tracked files": _check_tracked_files,
    }
    failed = [name for name, check_one in checks.items() if check_one() != 0]
    print(f"\nFailed: {', '.join(failed)}" if failed else f"\nAll clear: {', '.join(checks)}")
    sys.exit(1 if failed else 0)


def _check_tracked_files() -> int:
    print("\nTracked files", flush=True)
    found = findings(ROOT)
    for finding in found:
        print(finding)
    return len(found)
