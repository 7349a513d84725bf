"""A user to whom permissions apply, whoever runs the tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_BECOME_NOBODY = """
import os
if os.geteuid() == 0:  # to whom no file is read-only
    os.setgid(65534)
    os.setuid(65534)
"""


def run_unprivileged(imports: str, program: str, *arguments: object) -> str:
    """Run a Python program as a user to whom permissions apply, and return what it prints.

    Args:
        imports: Run before: the user need not be able to read what it imports.
        program: The program.
        arguments: Its `sys.argv[1:]`.
    """
    command = [sys.executable, "-c", f"{imports}{_BECOME_NOBODY}{program}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout


@contextmanager
def public_folder() -> Generator[Path]:
    """Make a folder that another user can reach, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
