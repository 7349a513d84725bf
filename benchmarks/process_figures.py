"""What the operating system knows of this process."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    listed = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=True)
    return int(listed.stdout) * 1024


class CpuShare:
    """The processor time that all threads of this process use from its making on."""

    def __init__(self) -> None:
        self._used = time.process_time()
        self._began = time.perf_counter()

    def percent(self) -> float:
        """Return the share of one core since the beginning, in percent."""
        return 100 * (time.process_time() - self._used) / (time.perf_counter() - self._began)
