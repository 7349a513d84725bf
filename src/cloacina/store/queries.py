"""Reading: each query takes a connection in a transaction of its own and returns frozen records."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import exists, select, text

from cloacina.errors import InvalidOption, join_names
from cloacina.store.lookup import find
from cloacina.store.records import (
    ErrorRecord,
    EventRecord,
    EventType,
    ExecutionRecord,
    ExecutionResult,
    ExecutionStatus,
    QuestionRecord,
    SignalKind,
    SignalRecord,
    SubStatus,
    TaskRecord,
    TaskStatus,
    WaitKind,
    WaitPhase,
    WaitRecord,
    details_of,
    moment,
    moment_or_none,
)
from cloacina.store.tables import (
    execution_events,
    signals as signal_rows,
    task_executions,
    waits as wait_rows,
    workflow_executions,
)

if TYPE_CHECKING:
    from sqlalchemy import Row

    from cloacina.store.connection import Connection
    from cloacina.store.lookup import Target

Word = TypeVar("Word", bound=StrEnum)


def _id_of(connection: Connection, target: Target) -> str:
    """Return an id, for what belongs to an execution; one that nothing has when there is none."""
    if isinstance(target, str):
        return target
    found = find(connection, target)
    return "" if found is None else found.id


def executions(
    connection: Connection,
    status: ExecutionStatus | str | None = None,
    workflow: str | None = None,
    limit: int = 100,
    before: str | None = None,
) -> list[ExecutionRecord]:
    """Return executions, newest first.

    Args:
        connection: Where to read.
        status: Only those of this status.
        workflow: Only those of the workflow of this name.
        limit: How many at most, from 1.
        before: Only those older than the execution of this id: the last one of the page before.

    Raises:
        InvalidOption: The status is unknown, or the limit below 1.
    """
    table = workflow_executions
    query = select(table).order_by(table.c.id.desc()).limit(_limit(limit))
    if status is not None:
        word = _word(ExecutionStatus, "status", status)
        query = query.where(table.c.status == word)
        if word is not ExecutionStatus.COMPLETED:
            # Says again what the line above implies: SQLite takes a partial index only when it reads its condition.
            query = query.where(table.c.status != text("'Completed'"))
    if workflow is not None:
        query = query.where(table.c.workflow == workflow)
    if before is not None:
        query = query.where(table.c.id < before)
    return [_execution(row) for row in connection.execute(query)]


def execution(connection: Connection, target: Target) -> ExecutionRecord | None:
    """Return an execution, or None when there is none of that name."""
    table = workflow_executions
    row = connection.execute(select(table).where(table.c.id == _id_of(connection, target))).one_or_none()
    return None if row is None else _execution(row)


def tasks(connection: Connection, target: Target) -> list[TaskRecord]:
    """Return the tasks of an execution in topological order."""
    table = task_executions
    query = select(table).where(table.c.execution_id == _id_of(connection, target)).order_by(table.c.position)
    return [_task(row) for row in connection.execute(query)]


def events(
    connection: Connection, target: Target, after: int | None = None, limit: int | None = None
) -> list[EventRecord]:
    """Return the events of an execution in the order in which they were stored.

    Args:
        connection: Where to read.
        target: The execution.
        after: Only those behind the event of this number.
        limit: How many at most, from 1; None for all.

    Raises:
        InvalidOption: The limit is below 1.
    """
    table = execution_events
    query = select(table).where(table.c.execution_id == _id_of(connection, target)).order_by(table.c.number)
    if after is not None:
        query = query.where(table.c.number > after)
    if limit is not None:
        query = query.limit(_limit(limit))
    return [_event(row) for row in connection.execute(query)]


def waits(
    connection: Connection,
    target: Target | None = None,
    phase: WaitPhase | str | None = None,
    limit: int = 1000,
) -> list[WaitRecord]:
    """Return waits in the order in which they began.

    Args:
        connection: Where to read.
        target: Only those of this execution.
        phase: Only those in this phase.
        limit: How many at most, from 1.

    Raises:
        InvalidOption: The phase is unknown, or the limit below 1.
    """
    table = wait_rows
    query = select(table).order_by(table.c.id).limit(_limit(limit))
    if target is not None:
        query = query.where(table.c.execution_id == _id_of(connection, target))
    if phase is not None:
        word = _word(WaitPhase, "phase", phase)
        query = query.where(table.c.phase == word)
        if target is None and word is not WaitPhase.ENDED:
            # As for the status of executions.
            query = query.where(table.c.phase != text("'ended'"))
    return [_wait(row) for row in connection.execute(query)]


def questions(connection: Connection, target: Target | None = None, limit: int = 1000) -> list[QuestionRecord]:
    """Return the questions that nobody has answered yet, in the order in which they were asked.

    Args:
        connection: Where to read.
        target: Only those of this execution.
        limit: How many at most, from 1.

    Raises:
        InvalidOption: The limit is below 1.
    """
    table = wait_rows
    answer = exists().where(
        signal_rows.c.execution_id == table.c.execution_id,
        signal_rows.c.kind == SignalKind.ANSWER.value,
        signal_rows.c.name == table.c.id,
        # One that was consumed has ended the wait, or was refused.
        signal_rows.c.consumed_at.is_(None),
    )
    query = select(table).order_by(table.c.id).limit(_limit(limit))
    query = query.where(table.c.kind == WaitKind.QUESTION.value, table.c.phase == WaitPhase.WAITING.value, ~answer)
    if target is not None:
        query = query.where(table.c.execution_id == _id_of(connection, target))
    else:
        # As for the status of executions.
        query = query.where(table.c.phase != text("'ended'"))
    return [_question(row) for row in connection.execute(query)]


def signals(
    connection: Connection, target: Target, kind: SignalKind | str | None = None, limit: int = 1000
) -> list[SignalRecord]:
    """Return the messages that an execution was sent, in the order of sending.

    Args:
        connection: Where to read.
        target: The execution.
        kind: Only those that ask for this.
        limit: How many at most, from 1.

    Raises:
        InvalidOption: The kind is unknown, or the limit below 1.
    """
    table = signal_rows
    query = select(table).where(table.c.execution_id == _id_of(connection, target))
    query = query.order_by(table.c.seq).limit(_limit(limit))
    if kind is not None:
        query = query.where(table.c.kind == _word(SignalKind, "kind", kind))
    return [_signal(row) for row in connection.execute(query)]


def result(connection: Connection, target: Target) -> ExecutionResult | None:
    """Return what an execution came to, or None while it has not ended or when there is none of that name."""
    table = workflow_executions
    row = connection.execute(select(table).where(table.c.id == _id_of(connection, target))).one_or_none()
    if row is None or not ExecutionStatus(row.status).is_final:
        return None
    return ExecutionResult(
        id=row.id,
        status=ExecutionStatus(row.status),
        context=json.loads(row.context if row.final_context is None else row.final_context),
        error=_error(row.error),
        created_at=moment(row.created_at),
        started_at=moment_or_none(row.started_at),
        finished_at=moment(row.finished_at),
        tasks={task.task_id: task for task in tasks(connection, row.id)},
    )


def _execution(row: Row[Any]) -> ExecutionRecord:
    return ExecutionRecord(
        id=row.id,
        workflow=row.workflow,
        workflow_version=row.workflow_version,
        status=ExecutionStatus(row.status),
        created_at=moment(row.created_at),
        started_at=moment_or_none(row.started_at),
        finished_at=moment_or_none(row.finished_at),
        context=json.loads(row.context),
        error=_error(row.error),
        key=row.idempotency_key,
        runner_id=row.runner_id,
    )


def _task(row: Row[Any]) -> TaskRecord:
    return TaskRecord(
        id=row.id,
        execution_id=row.execution_id,
        task_id=row.task_id,
        status=TaskStatus(row.status),
        sub_status=None if row.sub_status is None else SubStatus(row.sub_status),
        attempt=row.attempt,
        started_at=moment_or_none(row.started_at),
        finished_at=moment_or_none(row.finished_at),
        error=_error(row.error),
        recoveries=row.recoveries,
        heartbeat_at=moment_or_none(row.heartbeat_at),
        heartbeat=details_of(row.heartbeat),
    )


def _event(row: Row[Any]) -> EventRecord:
    return EventRecord(
        execution_id=row.execution_id,
        number=row.number,
        task_execution_id=row.task_execution_id,
        task_id=row.task_id,
        type=EventType(row.type),
        at=moment(row.at),
        attempt=row.attempt,
        slot=row.slot,
        detail=None if row.detail is None else json.loads(row.detail),
    )


def _wait(row: Row[Any]) -> WaitRecord:
    return WaitRecord(
        id=row.id,
        execution_id=row.execution_id,
        task_execution_id=row.task_execution_id,
        task_id=row.task_id,
        kind=WaitKind(row.kind),
        name=row.name,
        phase=WaitPhase(row.phase),
        started_at=moment(row.started_at),
        deadline=moment_or_none(row.deadline),
        due_at=moment_or_none(row.due_at),
        question=None if row.question is None else json.loads(row.question)["text"],
        poll_interval_ms=row.poll_interval_ms,
        polls=row.polls,
        next_poll_at=moment_or_none(row.next_poll_at),
        errors=row.errors,
        last_error=row.last_error,
        outcome=row.outcome,
        ended_at=moment_or_none(row.ended_at),
    )


def _question(row: Row[Any]) -> QuestionRecord:
    asked = json.loads(row.question)
    return QuestionRecord(
        id=row.id,
        execution_id=row.execution_id,
        task_id=row.task_id,
        text=asked["text"],
        schema=asked["schema"],
        addressees=tuple(asked["addressees"]),
        asked_at=moment(row.started_at),
        deadline=moment_or_none(row.deadline),
    )


def _signal(row: Row[Any]) -> SignalRecord:
    return SignalRecord(
        seq=row.seq,
        id=row.id,
        execution_id=row.execution_id,
        kind=SignalKind(row.kind),
        name=row.name,
        payload=None if row.payload is None else json.loads(row.payload),
        key=row.key,
        sender=row.sender,
        sent_at=moment(row.sent_at),
        consumed_at=moment_or_none(row.consumed_at),
        wait_id=row.wait_id,
        refusal=row.refusal,
    )


def _error(text: str | None) -> ErrorRecord | None:
    return None if text is None else ErrorRecord.from_json(text)


def _limit(limit: int) -> int:
    if limit < 1:
        raise InvalidOption(f"limit is {limit!r}; expected a whole number from 1.")
    return limit


def _word(kind: type[Word], name: str, found: str) -> Word:
    try:
        return kind(found)
    except ValueError:
        expected = join_names([word.value for word in kind])
        raise InvalidOption(f"{name} is {found!r}; expected one of {expected}.") from None
