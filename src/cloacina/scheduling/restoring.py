"""An execution as it was left, made into what goes on: its tasks by their ids, and what each of them has written.

The workflow may have changed since. A task that is there no more is skipped if it had not ended; if it had completed,
others may have built on what it did, so the execution fails. A task that is new waits for its turn.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from cloacina.context import encode
from cloacina.errors import WorkflowChanged
from cloacina.execution.checkpoints import Checkpoints
from cloacina.execution.heartbeats import Heartbeat
from cloacina.execution.ids import new_id
from cloacina.execution.memos import Memo, Memos, is_kept
from cloacina.execution.task_execution import SharedByTasks, TaskExecution
from cloacina.scheduling.changed_code import changed_tasks
from cloacina.scheduling.merging import NOTHING_WRITTEN
from cloacina.store.records import SubStatus, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloacina.scheduling.changed_code import ChangedTask
    from cloacina.scheduling.merging import ContextMerger, State
    from cloacina.store.changes import Change
    from cloacina.store.claims import StoredExecution, StoredTask
    from cloacina.workflow import Workflow


class Restored(NamedTuple):
    """The tasks of an execution that was left.

    Attributes:
        tasks: By position in the workflow as it is now.
        states: What each completed task left, and what those see that had begun, by position.
        missing: How many dependencies have not completed, of tasks of which some have, by position.
        changes: What is to be stored of what is new or gone.
        failure: Why the execution cannot go on.
        changed: Tasks that have stored answers of other code.
    """

    tasks: list[TaskExecution]
    states: list[State | None]
    missing: dict[int, int]
    changes: list[Change]
    failure: WorkflowChanged | None
    changed: list[ChangedTask]


def restore(stored: StoredExecution, workflow: Workflow, merger: ContextMerger, shared: SharedByTasks) -> Restored:
    """Return the tasks of an execution that was left, and what they have written."""
    graph = workflow.graph
    known = {task.task_id: task for task in stored.tasks}
    tasks: list[TaskExecution] = []
    changes: list[Change] = []
    for position, (definition, dependencies) in enumerate(zip(graph.tasks, graph.dependencies, strict=True)):
        found = known.pop(definition.id, None)
        status = TaskStatus.PENDING if dependencies else TaskStatus.READY
        task = TaskExecution(new_id() if found is None else found.id, stored.id, definition, position, status, shared)
        if found is None:
            changes.append(task.creation())
        else:
            _take_over(task, found, stored)
        tasks.append(task)
    states: list[State | None] = [None] * len(tasks)
    missing: dict[int, int] = {}
    for position, task in enumerate(tasks):
        dependencies = graph.dependencies[position]
        seen = [states[dependency] or NOTHING_WRITTEN for dependency in dependencies]
        before = merger.join(seen) if seen else NOTHING_WRITTEN
        if task.status is TaskStatus.COMPLETED:
            states[position] = merger.after(before, position, _decoded(task.changes))
            for dependent in graph.dependents[position]:
                missing[dependent] = missing.get(dependent, len(graph.dependencies[dependent])) - 1
        elif not task.status.is_final:
            states[position] = before
    return Restored(
        tasks, states, missing, changes, _gone(stored, known.values()), list(changed_tasks(stored, workflow))
    )


def _take_over(task: TaskExecution, found: StoredTask, stored: StoredExecution) -> None:
    task.status = TaskStatus(found.status)
    task.sub_status = None if found.sub_status is None else SubStatus(found.sub_status)
    task.attempt = found.attempt
    task.started_at, task.finished_at = found.started_at, found.finished_at
    task.changes, task.error = found.changes, found.error
    task.due_at, task.recoveries = found.due_at, found.recoveries
    task.source_version = found.source_version
    if found.heartbeat_at is not None:
        task.heartbeat = Heartbeat(found.heartbeat_at, found.heartbeat, is_stored=True)
    waits = stored.waits.get(found.id)
    if waits:
        task.memos = Memos(
            task.definition.id,
            [
                Memo(
                    wait.kind,
                    wait.name,
                    wait.ordinal,
                    wait.attempt,
                    wait.outcome,
                    wait.value,
                    wait.id,
                    wait.started_at,
                    wait.deadline,
                    wait.due_at,
                    wait.signal_id,
                )
                for wait in waits
                if wait.attempt == found.attempt or is_kept(wait.outcome, wait.signal_id)
            ],
        )
    checkpoints = stored.checkpoints.get(found.id)
    if checkpoints:
        task.checkpoints = Checkpoints((made.name, made.key, made.value) for made in checkpoints)


def _gone(stored: StoredExecution, tasks: Iterable[StoredTask]) -> WorkflowChanged | None:
    gone = [task.task_id for task in tasks if task.status == TaskStatus.COMPLETED.value]
    if not gone:
        return None
    message = (
        f"execution {stored.id} cannot go on: its task {gone[0]!r} has completed, and workflow {stored.workflow!r} has "
        "no such task any more; run it with the version of the workflow that it began with, or put the task back"
    )
    return WorkflowChanged(message)


def encoded(text: str) -> dict[str, str]:
    """Return a stored JSON object as JSON text by key."""
    return {key: encode(value, "stored context") for key, value in json.loads(text).items()}


def _decoded(text: str | None) -> Mapping[str, str | None]:
    """Return what a task changed, as `encode_changes` stored it."""
    if text is None:
        return {}
    parts = json.loads(text)
    changed: dict[str, str | None] = encoded(json.dumps(parts.get("set", {})))  # type: ignore[assignment]
    changed.update(dict.fromkeys(parts.get("delete", ())))
    return changed
