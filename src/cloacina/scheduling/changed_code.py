"""Tasks whose code has changed since they were answered: what is done about that, and what is told of it.

A task that stored nothing simply runs the code that there is. One with stored answers is given them by name; whether
they still fit the new code, nobody can tell for certain. So the workflow says what is to be done (`on_change=`), and
answers that the new code has never asked for are told when it has completed.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from cloacina.errors import WorkflowChanged
from cloacina.execution.memos import is_answer, is_kept
from cloacina.membrane import Log
from cloacina.store.records import EventType, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloacina.execution.task_execution import TaskExecution
    from cloacina.store.changes import Change
    from cloacina.store.claims import StoredExecution, StoredTask
    from cloacina.workflow import Workflow

_NAMED_AT_MOST: Final = 20

logger = Log("cloacina.scheduling")


class ChangedTask(NamedTuple):
    """A task that has stored answers, and other code than they were given to.

    Attributes:
        stored: The task as it was left.
        now: The version of its code.
        answers: How many answers it has.
        on_change: What the workflow wants to be done.
    """

    stored: StoredTask
    now: str
    answers: int
    on_change: str

    def detail(self) -> str:
        """Return what the event tells, JSON."""
        told = {"on_change": self.on_change, "before": self.stored.source_version, "now": self.now}
        return json.dumps({**told, "answers": self.answers})

    def refusal(self) -> WorkflowChanged:
        """Return the error of a task that may not go on."""
        message = (
            f"the code of task {self.stored.task_id!r} has changed ({self.stored.source_version}, and {self.now} now), "
            f"it has answers stored ({self.answers}), and its workflow is declared with on_change='fail'; retry the "
            "execution with the code that it began with, or with on_change='match'"
        )
        return WorkflowChanged(message)

    def warn(self) -> None:
        """Tell that the task goes on, or begins anew, with other code."""
        what = {
            "match": "its stored answers are matched by name",
            "restart": "its stored answers are dropped, and it begins anew",
        }
        logger.warning(
            "the code of task %r has changed (%s, and %s now): %s",
            self.stored.task_id,
            self.stored.source_version,
            self.now,
            what[self.on_change],
            extra={"execution_id": self.stored.execution_id, "task_id": self.stored.task_id},
        )


def changed_tasks(stored: StoredExecution, workflow: Workflow) -> Iterator[ChangedTask]:
    """Yield the tasks of an execution that have not ended, have stored answers, and other code now."""
    for task in stored.tasks:
        if task.source_version is None or TaskStatus(task.status).is_final or task.task_id not in workflow.tasks:
            continue
        answers = sum(
            is_answer(wait.kind, wait.outcome, wait.value)
            and (wait.attempt == task.attempt or is_kept(wait.outcome, wait.signal_id))
            for wait in stored.waits.get(task.id, ())
        )
        answers += len(stored.checkpoints.get(task.id, ()))
        if answers and (now := workflow.source_version(task.task_id)) != task.source_version:
            yield ChangedTask(task, now, answers, workflow.on_change)


def unused_answers(task: TaskExecution, at: float) -> list[Change]:
    """Return what is to be stored of answers that a task had, and completed without asking for; and warn of them."""
    waits = (
        () if task.memos is None else (f"{memo.kind} {memo.name!r} ({memo.ordinal})" for memo in task.memos.unasked())
    )
    steps = (
        () if task.checkpoints is None else (f"checkpoint {name!r} ({key})" for name, key in task.checkpoints.unasked())
    )
    found = [*waits, *steps]
    if not found:
        return []
    names = list(islice(found, _NAMED_AT_MOST))
    logger.warning(
        "task %r has completed without asking for %d answers that are stored for it: %s%s",
        task.definition.id,
        len(found),
        ", ".join(names),
        "" if len(names) == len(found) else ", …",
        extra={"execution_id": task.execution_id, "task_id": task.definition.id},
    )
    detail = json.dumps({"answers": names, "count": len(found)})
    return [task.event(EventType.TASK_ANSWERS_UNUSED, at, detail=detail)]
