"""What becomes of a process that the body of a task has forked, when it comes back from the body."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from cloacina.membrane import Log, describe

if TYPE_CHECKING:
    from cloacina.context import Context
    from cloacina.execution.attempt import Attempt
    from cloacina.execution.outcome import Outcome
    from cloacina.execution.task_execution import TaskExecution
    from cloacina.store.changes import Change

logger = Log("cloacina.execution")


class ForkedBody:
    """Stands in, in such a process, for the owner of the attempt.

    Behind the body is a copy of the engine, and of an event loop that shares its wake-ups with that of the parent: what
    went on there would keep the parent from hearing what it waits for. So the process ends, as the body asked by
    `SystemExit`, or with 1.
    """

    def attempt_started(self, now: float) -> list[Change]:  # noqa: ARG002 - as the protocol says
        """Store nothing."""
        return []

    def judge(self, task: TaskExecution, context: Context, error: BaseException | None, /) -> Outcome:  # noqa: ARG002 - as above
        """End the process."""
        end_child(task, error)

    def attempt_ended(self, attempt: Attempt, outcome: Outcome, slot: int | None) -> None:  # noqa: ARG002 - as above
        """End the process."""
        end_child(attempt.task, None)

    def slot_freed(self, task: TaskExecution, slot: int) -> None:  # noqa: ARG002 - as above
        """End the process."""
        end_child(task, None)

    def attempt_broke(self, attempt: Attempt, error: BaseException) -> None:
        """End the process."""
        end_child(attempt.task, error)


def end_child(task: TaskExecution, error: BaseException | None) -> NoReturn:
    """End a process whose parent goes on with the attempt."""
    code = 1
    # Behind it may be what went wrong when the copy of the loop was used.
    asked = error if error is None or isinstance(error, SystemExit) else error.__context__
    if isinstance(asked, SystemExit) and (asked.code is None or isinstance(asked.code, int)):
        code = asked.code or 0
    else:
        message = (
            "process %d was forked by the body of task %r and has come back from it (%s); it ends here. End such a "
            "process in the body, by os._exit"
        )
        how = "it returned" if error is None else describe(error)
        logger.critical(message, os.getpid(), task.definition.id, how)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(code)
