"""The parts of what uv prints when it fails: the error, its causes, and hints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# uv 0.13 writes `error:` and `cause:`. Earlier ones draw a tree, and --allow-untested-uv lets them be used.
_BEGINNING: Final = re.compile(
    r"\s*(?:(?P<kind>error|cause|hint|warning|Caused by|help): ?|(?:×|├─▶|╰─▶|│) ?)(?P<text>.*)"
)
_PROGRESS: Final = re.compile(
    r"\s*(?:Using CPython|Using Python|Creating virtual|Resolved \d|Prepared \d|Updating |Updated |Building |Built )"
)


@dataclass(frozen=True, slots=True)
class UvReport:
    """What uv has printed, taken apart.

    Attributes:
        error: The first sentence, such as `Failed to download X`.
        causes: What has brought it about, the last one being the first in time.
        hints: uv's advice.
    """

    error: str
    causes: tuple[str, ...]
    hints: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it, one part a line."""
        return "\n".join((self.error, *self.causes, *self.hints))


def read_report(output: str) -> UvReport:
    """Take apart what uv has written to standard error."""
    parts: list[tuple[str, list[str]]] = []
    for line in output.splitlines():
        if _PROGRESS.match(line):
            continue
        match = _BEGINNING.match(line)
        if match is not None:
            kind = match["kind"] or "cause"
            is_tree_continued = match["kind"] is None and "│" in line and not line.strip().startswith(("├", "╰"))
            if is_tree_continued and parts:
                parts[-1][1].append(match["text"].strip())
            else:
                parts.append((kind, [match["text"].strip()]))
        elif parts:
            parts[-1][1].append(line.strip())
        elif line.strip():
            parts.append(("error", [line.strip()]))
    said = [(kind, " ".join(word for word in lines if word)) for kind, lines in parts if kind != "warning"]
    hints = tuple(text for kind, text in said if kind in {"hint", "help"})
    rest = [text for kind, text in said if kind not in {"hint", "help"}]
    return UvReport(rest[0] if rest else "", tuple(rest[1:]), hints)
