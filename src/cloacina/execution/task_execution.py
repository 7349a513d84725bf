"""The state of one task in one execution, as the store holds it."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from cloacina.execution.inbox import Inbox
from cloacina.store import changes
from cloacina.store.records import (
    ErrorRecord,
    TaskRecord,
    TaskStatus,
    details_of,
    moment,
    moment_or_none,
)

if TYPE_CHECKING:
    from cloacina.execution.checkpoints import Checkpoints
    from cloacina.execution.heartbeats import Heartbeat
    from cloacina.execution.memos import Memos
    from cloacina.store.changes import Change
    from cloacina.store.records import EventType, SubStatus
    from cloacina.task import TaskDefinition


class SharedByTasks:
    """What the tasks of one execution share.

    Args:
        events: How many events the execution has.

    Attributes:
        event_numbers: Counts its events.
    """

    __slots__ = ("_inbox", "event_numbers")

    def __init__(self, events: int = 0) -> None:
        self.event_numbers = count(events + 1)
        self._inbox: Inbox | None = None

    @property
    def inbox(self) -> Inbox:
        """The signals that nobody has used up."""
        if self._inbox is None:
            self._inbox = Inbox()
        return self._inbox


class TaskExecution:
    """One task in one execution.

    Attributes:
        id: The task execution's id.
        execution_id: The execution it belongs to.
        definition: The task.
        position: Its place in the topological order of the workflow.
        status: Where it stands.
        sub_status: Of a Running one: with a slot (`Active`) or in a wait (`Deferred`).
        attempt: The number of the attempt, from 1; 0 before the first.
        started_at: When the current or last attempt started, in seconds since the epoch.
        finished_at: When the last attempt ended.
        changes: What it changed in its context, as JSON.
        error: What the last attempt failed with, as JSON.
        due_at: When its next attempt is due, after one that failed.
        recoveries: How often it was begun again because its process had died.
        source_version: The version of the code of its last attempt, of a task with a handle.
        is_suspect: Whether its body does not begin before it is stored that it does: it may end its process at once.
        shared: What the tasks of the execution share.
        memos: What its body has been answered; None while it has asked for nothing.
        checkpoints: Its steps that are done; None while there are none.
        heartbeat: Its last heartbeat, of whichever attempt; None before the first.
    """

    __slots__ = (
        "attempt",
        "changes",
        "checkpoints",
        "definition",
        "due_at",
        "error",
        "execution_id",
        "finished_at",
        "heartbeat",
        "id",
        "is_suspect",
        "memos",
        "position",
        "recoveries",
        "shared",
        "source_version",
        "started_at",
        "status",
        "sub_status",
    )

    def __init__(
        self,
        task_execution_id: str,
        execution_id: str,
        definition: TaskDefinition,
        position: int,
        status: TaskStatus,
        shared: SharedByTasks,
    ) -> None:
        self.id = task_execution_id
        self.execution_id = execution_id
        self.definition = definition
        self.position = position
        self.status = status
        self.sub_status: SubStatus | None = None
        self.attempt = 0
        self.started_at: float | None = None
        self.finished_at: float | None = None
        self.changes: str | None = None
        self.error: str | None = None
        self.due_at: float | None = None
        self.recoveries = 0
        self.source_version: str | None = None
        self.is_suspect = False
        self.shared = shared
        self.memos: Memos | None = None
        self.checkpoints: Checkpoints | None = None
        self.heartbeat: Heartbeat | None = None

    def creation(self) -> Change:
        """Return the change that stores this task execution as new."""
        return changes.new_task(self.id, self.execution_id, self.definition.id, self.position, self.status)

    def state(self) -> Change:
        """Return the change that stores this task execution as it is."""
        return changes.task_state(
            self.id,
            self.execution_id,
            self.status,
            self.sub_status,
            self.attempt,
            self.started_at,
            self.finished_at,
            self.changes,
            self.error,
            self.due_at,
            self.recoveries,
            self.source_version,
        )

    def event(self, kind: EventType, at: float, slot: int | None = None, detail: str | None = None) -> Change:
        """Return the change that stores an event of this task execution."""
        return changes.event(
            self.execution_id,
            next(self.shared.event_numbers),
            self.id,
            self.definition.id,
            kind,
            at,
            self.attempt or None,
            slot,
            detail,
        )

    def record(self) -> TaskRecord:
        """Return what the queries tell of this task execution."""
        return TaskRecord(
            id=self.id,
            execution_id=self.execution_id,
            task_id=self.definition.id,
            status=self.status,
            sub_status=self.sub_status,
            attempt=self.attempt,
            started_at=moment_or_none(self.started_at),
            finished_at=moment_or_none(self.finished_at),
            error=None if self.error is None else ErrorRecord.from_json(self.error),
            recoveries=self.recoveries,
            heartbeat_at=None if self.heartbeat is None else moment(self.heartbeat.at),
            heartbeat=None if self.heartbeat is None else details_of(self.heartbeat.details),
        )

    def finish(self, status: TaskStatus, at: float) -> None:
        """Take a terminal status."""
        self.status = status
        self.sub_status = None
        self.finished_at = at if self.started_at is None else max(at, self.started_at)
