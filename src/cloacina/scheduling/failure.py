"""What is kept of an exception that failed a task."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from cloacina.errors import CloacinaError
from cloacina.store.records import ErrorRecord

if TYPE_CHECKING:
    from types import TracebackType

_OWN_FOLDER = str(Path(__file__).resolve().parent.parent)


def error_record(error: BaseException, task_id: str | None, attempt: int | None) -> ErrorRecord:
    """Return the record of an exception, its traceback without the engine's own outer frames."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return ErrorRecord(
        task_id=task_id,
        attempt=attempt,
        type=name,
        message=error.message if isinstance(error, CloacinaError) else str(error),
        traceback="".join(traceback.format_exception(kind, error, _users_part(error.__traceback__))),
        code=getattr(error, "code", None) if kind.__module__ == CloacinaError.__module__ else None,
    )


def _users_part(trace: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the first frame that is not the engine's; the whole if all are."""
    part = trace
    while part is not None and part.tb_frame.f_code.co_filename.startswith(_OWN_FOLDER):
        part = part.tb_next
    return part or trace
