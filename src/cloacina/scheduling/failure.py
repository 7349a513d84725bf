"""What is kept of an exception that failed a task."""

from __future__ import annotations

import os
from pathlib import Path
from traceback import TracebackException

from cloacina.errors import CloacinaError
from cloacina.execution.waiting.wording import storable, text_of
from cloacina.store.records import ErrorRecord

_OWN_FOLDER = str(Path(__file__).resolve().parent.parent) + os.sep


def error_record(error: BaseException, task_id: str | None, attempt: int | None) -> ErrorRecord:
    """Return the record of an exception, its traceback without the engine's own outer frames."""
    kind = type(error)
    told = TracebackException(kind, error, error.__traceback__, compact=True)
    _keep_users_part(told)
    return ErrorRecord(
        task_id=task_id,
        attempt=attempt,
        type=kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}",
        message=text_of(error),
        traceback=storable("".join(told.format())),
        code=getattr(error, "code", None) if kind.__module__ == CloacinaError.__module__ else None,
    )


def _keep_users_part(told: TracebackException) -> None:
    """Drop the frames before the first that is not the engine's, here and in the causes; none if all are."""
    own = 0
    while own < len(told.stack) and told.stack[own].filename.startswith(_OWN_FOLDER):
        own += 1
    if own < len(told.stack):
        del told.stack[:own]
    for other in (told.__cause__, told.__context__, *(told.exceptions or ())):
        if other is not None:
            _keep_users_part(other)
