"""The changes that the engine makes to the store, as plain tuples: this is the hot path of every task.

A change is the kind of its statement, the parameters in the order of the statement's binds, and the execution that it
belongs to. A state is always the whole changeable part of a row, so of several states of one row in one transaction
only the last needs writing. Changes that are stored together or not at all are a unit.
Moments are seconds since the epoch; JSON arguments are texts that are already encoded. Words are handed on as plain
strings: binding a member of an enumeration takes sqlite3 twice as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from cloacina.canonical_json import encode
from cloacina.store.records import ExecutionStatus, WaitKind, WaitPhase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloacina.store.records import EventType, SignalKind, SubStatus, TaskStatus

Change: TypeAlias = tuple[int, tuple[Any, ...], str]
"""The kind of a statement, its parameters, and the id of the execution: the one that fails when this is refused."""

Unit: TypeAlias = "Sequence[Change]"
"""Changes that are stored together, or not at all."""

# The numbers are the order in which the statements of one transaction run: what is referred to comes first.
NEW_EXECUTION = 0
NEW_TASK = 1
NEW_WAIT = 2
NEW_SIGNAL = 3
CHECKPOINT = 4
EXECUTION_STATE = 5
EXECUTION_OWNER = 6
TASK_STATE = 7
HEARTBEAT = 8
WAIT_STATE = 9
WAIT_ENDED = 10
SIGNAL_STATE = 11
EVENT = 12

_WORDS = (
    "a new execution",
    "a new task",
    "a new wait",
    "a new signal",
    "a checkpoint",
    "the state of the execution",
    "the owner of the execution",
    "the state of a task",
    "the heartbeat of a task",
    "the state of a wait",
    "the end of a wait",
    "the state of a signal",
    "the event {}",
)
_TYPE_IN_EVENT = 4

STATES = frozenset({EXECUTION_STATE, EXECUTION_OWNER, TASK_STATE, HEARTBEAT, WAIT_STATE, WAIT_ENDED, SIGNAL_STATE})
"""The kinds that replace the state of a row; the row's id is their last parameter."""

CLEANS_UP = '{"on_cancel":true}'
"""The detail of the event that tells of the start of a task which cleans up behind its cancellation."""

_PENDING = ExecutionStatus.PENDING._value_


def new_execution(
    execution_id: str,
    workflow: str,
    workflow_version: str,
    context_json: str,
    created_at: float,
    runner_id: str | None = None,
    key: str | None = None,
) -> Change:
    """Add an execution, Pending; one without a runner is for any that knows its workflow."""
    parameters = (execution_id, workflow, workflow_version, _PENDING, created_at, context_json, runner_id, key)
    return NEW_EXECUTION, parameters, execution_id


def execution_owner(execution_id: str, runner_id: str | None) -> Change:
    """Give an execution to a runner, or let it go."""
    return EXECUTION_OWNER, (runner_id, execution_id), execution_id


def execution_state(
    execution_id: str,
    status: ExecutionStatus,
    started_at: float | None,
    finished_at: float | None,
    context_json: str | None,
    error_json: str | None,
) -> Change:
    """Replace the state of an execution; `context_json` is the context at its end."""
    parameters = (status._value_, started_at, finished_at, context_json, error_json, execution_id)
    return EXECUTION_STATE, parameters, execution_id


def new_task(task_execution_id: str, execution_id: str, task_id: str, position: int, status: TaskStatus) -> Change:
    """Add a task execution; `position` is its place in the topological order."""
    return NEW_TASK, (task_execution_id, execution_id, task_id, position, status._value_), execution_id


def task_state(
    task_execution_id: str,
    execution_id: str,
    status: TaskStatus,
    sub_status: SubStatus | None,
    attempt: int,
    started_at: float | None,
    finished_at: float | None,
    changes_json: str | None,
    error_json: str | None,
    due_at: float | None = None,
    recoveries: int = 0,
    source_version: str | None = None,
) -> Change:
    """Replace the state of a task execution; `changes_json` is what it changed in its context."""
    parameters = (
        status._value_,
        None if sub_status is None else sub_status._value_,
        attempt,
        started_at,
        finished_at,
        changes_json,
        error_json,
        due_at,
        recoveries,
        source_version,
        task_execution_id,
    )
    return TASK_STATE, parameters, execution_id


def heartbeat(task_execution_id: str, execution_id: str, at: float, details_json: str | None) -> Change:
    """Replace the last heartbeat of a task execution."""
    return HEARTBEAT, (at, details_json, task_execution_id), execution_id


def new_wait(
    wait_id: str,
    execution_id: str,
    task_execution_id: str,
    task_id: str,
    phase: WaitPhase,
    started_at: float,
    deadline: float | None,
    poll_interval_ms: int | None,
    *,
    kind: WaitKind = WaitKind.CONDITION,
    name: str = "",
    ordinal: int = 1,
    attempt: int = 1,
    due_at: float | None = None,
    question_json: str | None = None,
) -> Change:
    """Add a wait."""
    parameters = (
        wait_id,
        execution_id,
        task_execution_id,
        task_id,
        kind._value_,
        name,
        ordinal,
        attempt,
        phase._value_,
        started_at,
        deadline,
        due_at,
        question_json,
        poll_interval_ms,
    )
    return NEW_WAIT, parameters, execution_id


def question(text: str, schema: Mapping[str, Any], addressees: Sequence[str] = ()) -> str:
    """Return what a person is asked as the JSON text of a wait: the JSON Schema of the answer, and who may give it."""
    return encode({"text": text, "schema": schema, "addressees": list(addressees)}, "question")


def wait_state(
    wait_id: str,
    execution_id: str,
    phase: WaitPhase,
    polls: int,
    next_poll_at: float | None,
    errors: int,
    last_error: str | None,
    outcome: str | None,
    ended_at: float | None,
    value_json: str | None = None,
    signal_id: str | None = None,
) -> Change:
    """Replace the state of a wait; `value_json` is what it was met with, and `signal_id` the signal that met it."""
    parameters = (
        phase._value_,
        polls,
        next_poll_at,
        errors,
        last_error,
        outcome,
        value_json,
        signal_id,
        ended_at,
        wait_id,
    )
    return WAIT_STATE, parameters, execution_id


def wait_ended(wait_id: str, execution_id: str, outcome: str, ended_at: float) -> Change:
    """End a wait that an earlier run of the task's body has left, and nobody waits for any more."""
    return WAIT_ENDED, (WaitPhase.ENDED._value_, outcome, None, ended_at, wait_id), execution_id


def new_signal(
    signal_id: str,
    execution_id: str,
    kind: SignalKind,
    name: str,
    payload_json: str | None,
    sent_at: float,
    key: str | None = None,
    sender: str | None = None,
) -> Change:
    """Add a signal to an execution."""
    parameters = (signal_id, execution_id, kind._value_, name, payload_json, key, sender, sent_at)
    return NEW_SIGNAL, parameters, execution_id


def signal_state(
    signal_id: str, execution_id: str, consumed_at: float | None, wait_id: str | None, refusal: str | None = None
) -> Change:
    """Let a signal be consumed: by a wait, or with the reason for which it was refused."""
    return SIGNAL_STATE, (consumed_at, wait_id, refusal, signal_id), execution_id


def checkpoint(
    task_execution_id: str,
    execution_id: str,
    name: str,
    key: str,
    value_json: str | None,
    attempt: int,
    source_version: str | None,
    created_at: float,
) -> Change:
    """Add a checkpoint, or give one that was begun its value; without a value it is begun."""
    parameters = (task_execution_id, name, key, value_json, attempt, source_version, created_at)
    return CHECKPOINT, parameters, execution_id


def event(
    execution_id: str,
    number: int,
    task_execution_id: str | None,
    task_id: str | None,
    type: EventType,  # noqa: A002 - the name of the column
    at: float,
    attempt: int | None = None,
    slot: int | None = None,
    detail_json: str | None = None,
) -> Change:
    """Add an event; `number` counts the execution's events, from 1."""
    parameters = (execution_id, number, task_execution_id, task_id, type._value_, at, attempt, slot, detail_json)
    return EVENT, parameters, execution_id


def words_of(unit: Unit) -> str:
    """Return what a unit would store, in words, for who has to be told that it is not stored."""
    words = (
        _WORDS[kind].format(parameters[_TYPE_IN_EVENT]) if kind == EVENT else _WORDS[kind]
        for kind, parameters, _ in unit
    )
    return ", ".join(dict.fromkeys(words))
