"""What an attempt has come to: what it changed, or what it raised and whether another attempt follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloacina.execution.outcome import Outcome
from cloacina.retry import delay_before_next
from cloacina.scheduling.failure import error_record
from cloacina.scheduling.merging import encode_changes
from cloacina.store.records import TaskStatus

if TYPE_CHECKING:
    from cloacina.context import Context
    from cloacina.execution.task_execution import TaskExecution

_NOTHING_CHANGED: Final = Outcome(TaskStatus.COMPLETED)


def judge(task: TaskExecution, context: Context, error: BaseException | None) -> Outcome:
    """Return what an attempt has come to, and seal its context.

    To encode what was changed, to ask `retry_on` and to tell an exception takes as long as the user's classes and
    functions take. So this may run in any thread.

    Args:
        task: The task execution, at this attempt.
        context: The attempt's.
        error: What the body raised.
    """
    if error is None:
        try:
            if not (changes := context.seal()):
                return _NOTHING_CHANGED
            return Outcome(TaskStatus.COMPLETED, changes, encode_changes(changes))
        except BaseException as refused:  # noqa: BLE001 - what the task put into a container may not be JSON, or raise
            error = refused
    context.discard()
    definition = task.definition
    # First, because that may leave a note on the error.
    delay = delay_before_next(definition.retry, error, task.attempt)
    record = error_record(error, definition.id, task.attempt)
    return Outcome(TaskStatus.FAILED, error=record, delay=delay)
