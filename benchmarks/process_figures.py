"""What the operating system knows of this process, and what is made of many figures."""

from __future__ import annotations

import math
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Return the resident memory of this process."""
    if _STATM.exists():
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    listed = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=True)
    return int(listed.stdout) * 1024


class ProcessorTime:
    """The processor time that all threads of this process use from its making on."""

    def __init__(self) -> None:
        self._used_before = time.process_time()
        self._began = time.perf_counter()

    def seconds(self) -> float:
        """Return the time used since the beginning."""
        return time.process_time() - self._used_before

    def percent(self) -> float:
        """Return the share of one core since the beginning, in percent."""
        return 100 * self.seconds() / (time.perf_counter() - self._began)


def percentile(found: Sequence[float], percent: int) -> float:
    """Return the least figure that so many percent of all are not above."""
    return sorted(found)[max(0, math.ceil(len(found) * percent / 100) - 1)]
