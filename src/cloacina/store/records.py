"""What the store tells, as frozen records, and the words that its columns use.

Every moment is an aware `datetime` in UTC.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from cloacina.errors import ExecutionCancelled, ExecutionFailed
from cloacina.membrane import shown

if TYPE_CHECKING:
    from collections.abc import Mapping


class ExecutionStatus(StrEnum):
    """Where an execution stands."""

    PENDING = "Pending"
    """Stored; none of its tasks has started."""
    RUNNING = "Running"
    """At least one of its tasks has started."""
    COMPLETED = "Completed"
    """Every task ended without an error."""
    FAILED = "Failed"
    """A task failed in its last attempt, or the results of tasks conflict."""
    CANCELLED = "Cancelled"
    """It was cancelled before it ended."""

    @property
    def is_final(self) -> bool:
        """Whether an execution of this status has ended."""
        return self in _FINAL_EXECUTION


class TaskStatus(StrEnum):
    """Where a task execution stands."""

    PENDING = "Pending"
    """A task that it depends on has not completed, or its next attempt is not due yet."""
    READY = "Ready"
    """It queues for a slot."""
    RUNNING = "Running"
    """Its body has started; `SubStatus` says whether it holds a slot."""
    COMPLETED = "Completed"
    """Its body ended without an error."""
    FAILED = "Failed"
    """Its last attempt failed."""
    SKIPPED = "Skipped"
    """It never started, because a task that it depends on did not complete."""
    CANCELLED = "Cancelled"
    """Its execution was cancelled before it ended."""

    @property
    def is_final(self) -> bool:
        """Whether a task execution of this status has ended."""
        return self in _FINAL_TASK


_FINAL_EXECUTION = frozenset({ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.CANCELLED})
_FINAL_TASK = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.SKIPPED, TaskStatus.CANCELLED})


class SubStatus(StrEnum):
    """What a running task execution does with its slot."""

    ACTIVE = "Active"
    """It holds a slot."""
    DEFERRED = "Deferred"
    """It holds no slot: it waits for a condition, or for a slot to go on with."""


class WaitKind(StrEnum):
    """What a wait waits for."""

    CONDITION = "condition"
    """A function that is called until it returns something truthy."""
    TIME = "time"
    """A moment."""
    SIGNAL = "signal"
    """A signal to the execution."""
    QUESTION = "question"
    """A person's answer."""
    ANY = "any"
    """The first of several."""
    ALL = "all"
    """All of several."""


class SignalKind(StrEnum):
    """What a message to an execution asks for."""

    SIGNAL = "signal"
    """It is for the wait of its name."""
    ANSWER = "answer"
    """It answers a question."""
    CANCEL = "cancel"
    """The execution is to be cancelled."""
    RETRY = "retry"
    """The execution is to go on from where it failed."""


class WaitPhase(StrEnum):
    """How far a wait has come."""

    WAITING = "waiting"
    """Its condition is not met; the task holds no slot."""
    RESUMING = "resuming"
    """It is over: met, out of time, failed, or left by the task; the task queues for a slot to go on."""
    ENDED = "ended"
    """The task went on, or was cancelled."""


class EventType(StrEnum):
    """What happened."""

    EXECUTION_CREATED = "execution_created"
    """The execution and its tasks were stored."""
    EXECUTION_STARTED = "execution_started"
    """The first task of the execution started."""
    EXECUTION_COMPLETED = "execution_completed"
    """Every task ended without an error."""
    EXECUTION_FAILED = "execution_failed"
    """The execution ended with an error."""
    EXECUTION_CANCELLED = "execution_cancelled"
    """The execution was cancelled."""
    EXECUTION_RETRIED = "execution_retried"
    """The execution, which had failed or was cancelled, goes on: what had not completed runs again."""
    TASK_READY = "task_ready"
    """Everything that the task depends on has completed, or its next attempt is due; it queues for a slot.

    A task that depends on nothing is ready when the execution is created, and has none for its first attempt.
    """
    TASK_STARTED = "task_started"
    """An attempt took a slot and began."""
    TASK_RECOVERED = "task_recovered"
    """The process in which the task ran had ended; the same attempt is begun again, and queues for a slot."""
    TASK_CODE_CHANGED = "task_code_changed"
    """The task is taken up, has stored answers, and its code has changed; `detail` tells what its workflow wants."""
    TASK_ANSWERS_UNUSED = "task_answers_unused"
    """The task has completed without asking for answers that were stored for it; `detail` names them."""
    TASK_DEFERRED = "task_deferred"
    """The task gave its slot back and waits for a condition."""
    TASK_RESUMING = "task_resuming"
    """The wait is over: its condition was met, its time is up, or it failed. The task queues for a slot."""
    TASK_RESUMED = "task_resumed"
    """The task took a slot again and goes on."""
    TASK_RETRYING = "task_retrying"
    """An attempt failed and another one will follow."""
    TASK_COMPLETED = "task_completed"
    """The task ended without an error."""
    TASK_FAILED = "task_failed"
    """The last attempt failed."""
    TASK_SKIPPED = "task_skipped"
    """The task will never start, because a task that it depends on did not complete."""
    TASK_CANCELLED = "task_cancelled"
    """The task was cancelled."""
    TASK_CLEANED_UP = "task_cleaned_up"
    """The `on_cancel` function of a task has ended, or its time was up; `detail` has its error."""
    SLOT_KEPT = "slot_kept"
    """The attempt timed out, and its thread goes on holding the slot until it ends."""
    SLOT_FREED = "slot_freed"
    """The thread of a timed-out attempt ended and gave its slot back."""


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """The error that ended a task or an execution."""

    task_id: str | None
    """The task whose attempt failed; None when no single task did."""
    attempt: int | None
    """The number of the failed attempt, from 1; None when no single task failed."""
    type: str
    """The qualified name of the exception's class, such as `ValueError` or `httpx.ConnectError`."""
    message: str
    """The exception's text, of a group the texts of the exceptions in it; of a long one, 20 000 characters."""
    traceback: str
    """The formatted traceback, with the causes; texts that are longer than a thousand characters are cut in it."""
    code: str | None
    """The code of one of Cloacina's own errors, such as `CLO-1303`; None for any other exception."""

    def to_json(self) -> str:
        """Return the record as the JSON text that the store keeps."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the record that `to_json` made the text from."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class ExecutionRecord:
    """One run of a workflow."""

    id: str
    """The execution's id, a UUIDv7: ids sort in the order in which they were made, also when the clock was set back."""
    workflow: str
    """The workflow's name."""
    workflow_version: str
    """The workflow's version when it was submitted; empty when only its name was known."""
    status: ExecutionStatus
    """Where the execution stands."""
    created_at: datetime
    """When it was submitted."""
    started_at: datetime | None
    """When its first task started."""
    finished_at: datetime | None
    """When it ended."""
    context: dict[str, Any]
    """The initial context, as submitted."""
    error: ErrorRecord | None
    """Why it failed."""
    key: str | None
    """The key that it was submitted with: no other execution of the workflow has it."""
    runner_id: str | None
    """The runner that it belongs to, or belonged to; None while any runner may take it."""


@dataclass(frozen=True, slots=True)
class ExecutionChange:
    """What has become of an execution at a runner that serves: it was taken up, or has ended."""

    id: str
    """The execution's id."""
    workflow: str
    """The workflow's name."""
    status: ExecutionStatus
    """Where it stands: of one that was taken up, `Pending` or `Running`."""
    at: datetime
    """When that was."""
    error: ErrorRecord | None
    """Why it failed."""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One task in one execution."""

    id: str
    """The id of the task execution, a UUIDv7."""
    execution_id: str
    """The execution it belongs to."""
    task_id: str
    """The task's id in its workflow."""
    status: TaskStatus
    """Where the task execution stands."""
    sub_status: SubStatus | None
    """What a running one does with its slot; None for every other status."""
    attempt: int
    """The number of the current or last attempt; 0 before the first."""
    started_at: datetime | None
    """When the current or last attempt started."""
    finished_at: datetime | None
    """When it ended."""
    error: ErrorRecord | None
    """Why the last attempt failed."""
    recoveries: int
    """How often it was begun again because its process had died."""
    heartbeat_at: datetime | None
    """When its last heartbeat came, in whichever attempt. Stored every few seconds."""
    heartbeat: Any
    """What heartbeats told last; None for nothing."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One thing that happened. Events are only ever added."""

    execution_id: str
    """The execution in which it happened."""
    number: int
    """Counts the execution's events in the order in which they happened, from 1."""
    task_execution_id: str | None
    """The task execution to which it happened; None for an event of the execution itself."""
    task_id: str | None
    """That task's id in its workflow."""
    type: EventType
    """What happened."""
    at: datetime
    """When it happened."""
    attempt: int | None
    """The number of the attempt, from 1."""
    slot: int | None
    """The number of the slot that was taken, given back or kept."""
    detail: dict[str, Any] | None
    """What else is known, such as the delay before a retry."""


@dataclass(frozen=True, slots=True)
class WaitRecord:
    """One wait of a task: the stretch in which it holds no slot."""

    id: str
    """The wait's id, a UUIDv7."""
    execution_id: str
    """The execution it belongs to."""
    task_execution_id: str
    """The task execution that waits."""
    task_id: str
    """That task's id in its workflow."""
    kind: WaitKind
    """What it waits for."""
    name: str
    """The name that it was given, or the signal's; empty when it has none."""
    phase: WaitPhase
    """How far the wait has come."""
    started_at: datetime
    """When it began."""
    deadline: datetime | None
    """When it times out; None when it may take forever. Of a `timeout=`, by the clock as it was when the wait began."""
    due_at: datetime | None
    """The moment that it waits for."""
    question: str | None
    """What a person is asked."""
    poll_interval_ms: int | None
    """Milliseconds between two calls of the condition, of a `PollPolicy` at first; None when nothing is polled."""
    polls: int
    """How often the condition has been called. Stored every few seconds."""
    next_poll_at: datetime | None
    """When the condition is called next; None while it is being called. Stored every few seconds."""
    errors: int
    """How often the condition has raised."""
    last_error: str | None
    """The text of the exception that the condition raised last."""
    outcome: str | None
    """How the wait ended: `met`, `timeout`, `error` or `cancelled`; `dropped` when the task began anew, or went on
    without it, after its code had changed; None while it has not."""
    ended_at: datetime | None
    """When it ended."""


@dataclass(frozen=True, slots=True)
class QuestionRecord:
    """A question that waits for its answer."""

    id: str
    """What the answer names: the id of the wait."""
    execution_id: str
    """The execution that asks."""
    task_id: str
    """The task that asks, by its id in its workflow."""
    text: str
    """The question."""
    schema: dict[str, Any]
    """The JSON Schema of the answer."""
    addressees: tuple[str, ...]
    """Who is asked; empty for anybody."""
    asked_at: datetime
    """When it was asked."""
    deadline: datetime | None
    """When it is too late for an answer; None when it never is."""


@dataclass(frozen=True, slots=True)
class SignalRecord:
    """A message to an execution: a signal, or what somebody asks of its runner."""

    seq: int
    """Grows in the order of sending, over all executions."""
    id: str
    """The message's id, a UUIDv7."""
    execution_id: str
    """The execution that it is for."""
    kind: SignalKind
    """What it asks for."""
    name: str
    """The signal's name; of an answer, the question's id; empty for other messages."""
    payload: Any
    """What it tells; None for nothing."""
    key: str | None
    """Of several with this name and key, only this one was stored."""
    sender: str | None
    """Who sent it, as far as they said."""
    sent_at: datetime
    """When it was sent."""
    consumed_at: datetime | None
    """When it took effect, or was refused; None while it has not."""
    wait_id: str | None
    """The wait that it met."""
    refusal: str | None
    """Why it was refused, after it had been stored."""


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """What an execution came to."""

    id: str
    """The execution's id."""
    status: ExecutionStatus
    """Completed, Failed or Cancelled."""
    context: dict[str, Any]
    """The initial context with the changes of all completed tasks."""
    error: ErrorRecord | None
    """Why the execution failed; names the task, the attempt and the exception."""
    created_at: datetime
    """When it was submitted."""
    started_at: datetime | None
    """When its first task started."""
    finished_at: datetime
    """When it ended."""
    tasks: Mapping[str, TaskRecord]
    """Every task by its id, in topological order."""

    def raise_for_status(self) -> Self:
        """Return this result when the execution completed, and raise otherwise.

        Raises:
            ExecutionFailed: The execution failed; the error's `result` is this result.
            ExecutionCancelled: The execution was cancelled; the error's `result` is this result.
        """
        if self.status is ExecutionStatus.FAILED:
            raise ExecutionFailed(f"Execution {self.id} failed: {_describe(self.error)}", self)
        if self.status is ExecutionStatus.CANCELLED:
            raise ExecutionCancelled(f"Execution {self.id} was cancelled before it ended; submit it again.", self)
        return self


def _describe(error: ErrorRecord | None) -> str:
    if error is None:
        return "no error was recorded; its events tell what happened."
    if error.task_id is None:
        return in_a_line(error)
    return f"task {error.task_id!r} raised in attempt {error.attempt}: {in_a_line(error)}"


def in_a_line(error: ErrorRecord) -> str:
    """Return an error as messages, the log and events tell it: what is long is kept once, in the record itself."""
    return shown(f"{error.type}: {error.message}" if error.message else error.type)


def moment(seconds: float) -> datetime:
    """Return a moment of the store, in seconds since the epoch, as records tell it."""
    return datetime.fromtimestamp(seconds, UTC)


def details_of(text: str | None) -> Any:
    """Return the JSON value that a heartbeat told; None for nothing."""
    return None if text is None else json.loads(text)


def moment_or_none(seconds: float | None) -> datetime | None:
    """Return a moment that there may not be."""
    return None if seconds is None else moment(seconds)
