"""What tasks and clients did, in the order in which they did it: lines of a file that outlives every process."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class Effects:
    """Appends lines to a file, each of them by one write, so that lines of several processes do not mix."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def add(self, what: str, **fields: Any) -> None:
        """Append a line."""
        line = json.dumps({"what": what, "pid": os.getpid(), **fields})
        os.write(self._descriptor, line.encode() + b"\n")


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
