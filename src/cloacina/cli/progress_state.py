"""What a run looks like at a moment: each task's state and times, from the execution's events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from cloacina.store.records import EventRecord, EventType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime


class TaskState(StrEnum):
    """What is shown of a task; of a running one, what it does with its slot."""

    PENDING = "Pending"
    READY = "Ready"
    ACTIVE = "Active"
    DEFERRED = "Deferred"
    RESUMING = "resuming"
    RETRYING = "retrying"
    COMPLETED = "Completed"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    CANCELLED = "Cancelled"

    @property
    def is_waiting(self) -> bool:
        """Whether a task of this state has begun and holds no slot."""
        return self in {TaskState.DEFERRED, TaskState.RESUMING}

    @property
    def is_final(self) -> bool:
        """Whether a task of this state has ended."""
        return self in {TaskState.COMPLETED, TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELLED}


_STATES = {
    EventType.TASK_READY: TaskState.READY,
    EventType.TASK_STARTED: TaskState.ACTIVE,
    EventType.TASK_DEFERRED: TaskState.DEFERRED,
    EventType.TASK_RESUMING: TaskState.RESUMING,
    EventType.TASK_RESUMED: TaskState.ACTIVE,
    EventType.TASK_RETRYING: TaskState.RETRYING,
    EventType.TASK_COMPLETED: TaskState.COMPLETED,
    EventType.TASK_FAILED: TaskState.FAILED,
    EventType.TASK_SKIPPED: TaskState.SKIPPED,
    EventType.TASK_CANCELLED: TaskState.CANCELLED,
}


@dataclass(slots=True)
class TaskProgress:
    """How far one task has come."""

    task_id: str
    state: TaskState = TaskState.PENDING
    attempt: int = 0
    since: datetime | None = None
    held: float = 0.0
    """Seconds that it has held a slot, up to `since`."""
    waited: float = 0.0
    """Seconds that it has waited without one, up to `since`."""

    def enter(self, state: TaskState, at: datetime) -> None:
        """Change the state, and count the time spent in the one before."""
        self.held, self.waited = self.times(at)
        self.state, self.since = state, at

    def times(self, now: datetime) -> tuple[float, float]:
        """Return the seconds held and waited by a moment."""
        seconds = max((now - self.since).total_seconds(), 0.0) if self.since else 0.0
        if self.state is TaskState.ACTIVE:
            return self.held + seconds, self.waited
        if self.state.is_waiting:
            return self.held, self.waited + seconds
        return self.held, self.waited


@dataclass(frozen=True, slots=True)
class StateChange:
    """One task went from one state to another."""

    task_id: str
    state: TaskState
    at: datetime
    attempt: int
    because: str
    """Why it is retried or skipped; empty for every other state."""


class ExecutionProgress:
    """How far an execution has come.

    Args:
        tasks: The tasks, in the order in which they are shown, and whether each is ready from the beginning.
    """

    def __init__(self, tasks: Mapping[str, bool]) -> None:
        states = {True: TaskState.READY, False: TaskState.PENDING}
        self.tasks = {task_id: TaskProgress(task_id, states[is_ready]) for task_id, is_ready in tasks.items()}
        self.started_at: datetime | None = None
        self.last_event: int | None = None

    def apply(self, events: Iterable[EventRecord]) -> list[StateChange]:
        """Take in the events behind the last, and return the changes of tasks."""
        changes: list[StateChange] = []
        for event in events:
            self.last_event = event.number
            self.started_at = self.started_at or event.at
            at = max(event.at, self.started_at)  # unless the clock was set back
            state = _STATES.get(event.type)
            task = None if event.task_id is None else self.tasks.get(event.task_id)
            if task is None or state is None:  # A task that the workflow no longer has was there when it was submitted.
                continue
            task.enter(state, at)
            task.attempt = event.attempt or task.attempt
            changes.append(StateChange(task.task_id, state, at, task.attempt, _because(state, event.detail or {})))
        return changes

    def count(self) -> Counter[TaskState]:
        """Return how many tasks are in each state."""
        return Counter(task.state for task in self.tasks.values())


def _because(state: TaskState, detail: Mapping[str, Any]) -> str:
    if state is TaskState.RETRYING and "error" in detail:
        return f"{detail['error']}; again in {detail.get('delay', 0):g} s"
    if state is TaskState.SKIPPED and "because" in detail:
        return f"{detail['because']!r} did not complete"
    return ""
