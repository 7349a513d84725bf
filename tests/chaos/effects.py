"""What tasks and clients did, in the order in which they did it: lines of a file that outlives every process."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class Effects:
    """Appends lines to a file, each of them by one write, so that lines of several processes do not mix.

    Args:
        path: The file.
        process: The number of the process, or of what stands for one.
    """

    def __init__(self, path: Path, process: int | None = None) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._process = os.getpid() if process is None else process

    def add(self, what: str, **fields: Any) -> None:
        """Append a line."""
        line = json.dumps({"what": what, "pid": self._process, **fields})
        os.write(self._descriptor, line.encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class Effect:
    """One line."""

    number: int
    what: str
    pid: int
    fields: dict[str, Any]


def read(path: Path) -> list[Effect]:
    """Return all that was done, oldest first."""
    found: list[Effect] = []
    for number, line in enumerate(path.read_text().splitlines()):
        fields = json.loads(line)
        found.append(Effect(number, fields.pop("what"), fields.pop("pid"), fields))
    return found
