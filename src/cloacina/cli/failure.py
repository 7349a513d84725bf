"""Show why an execution failed: the task, the attempt, the exception, and its traceback in the user's own code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from cloacina.errors import ExecutionFailed, documentation_url
from cloacina.membrane import shown
from cloacina.store.records import in_a_line

if TYPE_CHECKING:
    from cloacina.store.records import ErrorRecord

_FRAME = re.compile(r'  File "(?P<file>[^"]+)", line \d+')
_HEADING = "Traceback (most recent call last):"
_OWN_FOLDER = str(Path(__file__).resolve().parent.parent)
# What carries a task's body; below the user's own frames it stays, because then the user called it.
_CARRIERS = ("anyio", "asyncio", "trio", "outcome", "threading.py", "contextvars.py")


def describe_failure(error: ErrorRecord) -> str:
    """Return what is shown of an error: a line, and the user's part of the traceback below it."""
    raised = in_a_line(error) if error.code is None else shown(error.message)
    where = "the execution failed" if error.task_id is None else f"task {error.task_id!r} failed"
    attempt = f" in attempt {error.attempt}" if error.attempt is not None else ""
    code = error.code or ExecutionFailed.code
    first = " ".join(raised.split())
    if code not in first:
        first += f" [{code}] {documentation_url(code)}"
    trimmed = trim_traceback(error.traceback)
    return f"error: {where}{attempt}: {first}" + (f"\n\n{trimmed}" if trimmed else "")


def trim_traceback(text: str) -> str:
    """Leave out the frames of Cloacina, and those of the event loop above the user's first one.

    Args:
        text: A traceback as Python formats it, with its causes.

    Returns:
        The rest; empty when no frame of the user's is in it.
    """
    kept: list[str] = []
    is_dropping = has_user_frame = has_any = False
    for line in text.splitlines():
        if line == _HEADING:
            is_dropping = has_user_frame = False
        elif match := _FRAME.match(line):
            is_own = match["file"].startswith(_OWN_FOLDER) or match["file"].startswith("<frozen")
            is_dropping = is_own or (not has_user_frame and _is_carrier(match["file"]))
            has_user_frame = has_user_frame or not is_dropping
            has_any = has_any or not is_dropping
        elif not line.startswith("    "):
            is_dropping = False
        if not is_dropping:
            kept.append(line)
    return "\n".join(_without_empty_headings(kept)).strip("\n") if has_any else ""


def _is_carrier(file: str) -> bool:
    parts = Path(file).parts
    return any(part in _CARRIERS for part in parts) and ("site-packages" in parts or "lib" in parts)


def _without_empty_headings(lines: list[str]) -> list[str]:
    following = [*lines[1:], ""]
    return [line for line, after in zip(lines, following, strict=True) if line != _HEADING or after.startswith("  ")]
