"""What is kept of an exception that failed a task."""

from __future__ import annotations

from cloacina import errors
from cloacina.membrane import short_name, text_of, traceback_of, type_name
from cloacina.store.records import ErrorRecord


def error_record(error: BaseException, task_id: str | None, attempt: int | None) -> ErrorRecord:
    """Return the record of an exception, its traceback without the engine's own outer frames."""
    kind = type(error)
    is_own = getattr(errors, short_name(kind), None) is kind
    return ErrorRecord(
        task_id=task_id,
        attempt=attempt,
        type=type_name(kind),
        message=text_of(error),
        traceback=traceback_of(error),
        code=getattr(kind, "code", None) if is_own else None,
    )
