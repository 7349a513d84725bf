"""What others ask of executions: to start, to take a signal or an answer, to be cancelled, to go on after a failure.

Runners, clients and the command line ask by these functions, each of them on a connection in a transaction that writes.
Only the runner that owns an execution writes its rows: for it, a message is left among the signals. An execution that
nobody owns, or whose runner's process has ended, is changed at once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from cloacina.canonical_json import decode, is_same_value
from cloacina.errors import ExecutionEnded, InvalidAnswer, QuestionClosed, UnknownExecution, UnknownQuestion
from cloacina.store import changes, rendered
from cloacina.store.claims import is_dead, wake_addresses
from cloacina.store.lookup import AskedWait, StoredSignal, find
from cloacina.store.records import (
    EventType,
    ExecutionStatus,
    SignalKind,
    TaskStatus,
    WaitKind,
    WaitPhase,
    moment,
)
from cloacina.store.statements import STATEMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from cloacina.store.changes import Change
    from cloacina.store.connection import Connection
    from cloacina.store.lookup import Found, Target

_AT_WORK = ("live", "stopping")


class NewTask(NamedTuple):
    """A task of an execution that is to be stored."""

    id: str
    task_id: str
    status: TaskStatus


class NewExecution(NamedTuple):
    """An execution that is to be stored.

    Attributes:
        context: The initial context, JSON.
        tasks: In topological order; none when only the name of the workflow is known: who runs it makes them.
    """

    id: str
    workflow: str
    workflow_version: str
    context: str
    tasks: Sequence[NewTask] = ()


class Message(NamedTuple):
    """What somebody asks.

    Attributes:
        id: The id of the signal, if one is left.
        at: When it is sent, in seconds since the epoch.
        sender: Who asks, as far as they say.
    """

    id: str
    at: float
    sender: str | None = None


class Outcome(NamedTuple):
    """What came of a request.

    Attributes:
        execution_id: The execution that it was about.
        is_new: Whether it changed anything; False when the same had been asked before, or there was nothing to do.
        wake: The addresses to wake when the transaction is committed.
        signal: What was left for the owner.
    """

    execution_id: str
    is_new: bool
    wake: Sequence[str] = ()
    signal: StoredSignal | None = None


def submit(
    connection: Connection,
    executions: Sequence[NewExecution],
    now: float,
    *,
    key: str | None = None,
    runner_id: str | None = None,
) -> Outcome:
    """Add executions; with a key, a single one, and only if its workflow has none of that key.

    Args:
        connection: In a transaction that writes.
        executions: The executions.
        now: Seconds since the epoch.
        key: What no other execution of the workflow may have.
        runner_id: Whose they are; None for any runner that knows the workflow.

    Returns:
        With a key, about the execution that has it.
    """
    first = executions[0]
    if key is not None and (found := find(connection, (first.workflow, key))) is not None:
        return Outcome(found.id, is_new=False)
    _write(
        connection,
        (
            changes.new_execution(
                new.id, new.workflow, new.workflow_version, new.context, now, runner_id=runner_id, key=key
            )
            for new in executions
        ),
    )
    _write(
        connection,
        (
            changes.new_task(task.id, new.id, task.task_id, position, task.status)
            for new in executions
            for position, task in enumerate(new.tasks)
        ),
    )
    created = EventType.EXECUTION_CREATED
    _write(connection, (changes.event(new.id, 1, None, None, created, now) for new in executions))
    return Outcome(first.id, is_new=True, wake=() if runner_id else wake_addresses(connection))


def signal(
    connection: Connection, target: Target, message: Message, name: str, payload: str | None, key: str | None = None
) -> Outcome:
    """Leave a signal for a task; of several with one name and key, the first.

    Args:
        connection: In a transaction that writes.
        target: The execution.
        message: Who sends it, and when.
        name: What a task waits for.
        payload: What it tells, JSON.
        key: Signals of one name and key are one, sent several times.

    Raises:
        UnknownExecution: There is no such execution.
        ExecutionEnded: It has ended.
    """
    found = _get(connection, target)
    if key is not None and _has_key(connection, found.id, name, key):
        return Outcome(found.id, is_new=False)
    if found.status.is_final:
        what = f"execution {found.id} is {found.status}, so nobody would read the signal {name!r}"
        raise ExecutionEnded(what)
    return _leave(connection, found, SignalKind.SIGNAL, message, name, payload, key)


def answer(connection: Connection, question_id: str, message: Message, value: str) -> Outcome:
    """Leave the answer to a question: the first that satisfies its schema. The same once more changes nothing.

    Args:
        connection: In a transaction that writes.
        question_id: The id of the question's wait.
        message: Who answers, and when.
        value: The answer, JSON.

    Raises:
        UnknownQuestion: There is no such question.
        QuestionClosed: There was another answer before, or the task waits for none any more.
        InvalidAnswer: The value does not satisfy the schema.
    """
    row = connection.run(rendered.ASKED, {"id": question_id}).fetchone()
    wait = None if row is None else AskedWait(*row)
    if wait is None or wait.kind != WaitKind.QUESTION.value or wait.question is None:
        raise UnknownQuestion(
            f"the database holds no question {question_id!r}; questions() returns those that are open"
        )
    question: dict[str, Any] = json.loads(wait.question)
    before = _answer_to(connection, wait)
    if before is not None:
        payload, sender, sent_at = before
        if is_same_value(payload, value):
            return Outcome(wait.execution_id, is_new=False)
        who = "somebody" if sender is None else sender
        what = f"{who} has answered the question {question['text']!r} at {_shown(sent_at)}: {payload}"
        raise QuestionClosed(f"{what}; the first answer counts")
    found = _get(connection, wait.execution_id)
    if (reason := _why_closed(wait, found, message.at)) is not None:
        raise QuestionClosed(f"the question {question['text']!r} is closed: {reason}")
    from cloacina.json_schema import violation  # noqa: PLC0415 - it imports more than all else that is asked for

    if (wrong := violation(decode(value), question["schema"], "answer")) is not None:
        raise InvalidAnswer(f"{wrong}. The question {question['text']!r} stays open")
    return _leave(connection, found, SignalKind.ANSWER, message, question_id, value)


def cancel(connection: Connection, target: Target, message: Message, database: Path | None) -> Outcome:
    """Cancel an execution that nobody owns, or ask its owner to; if tasks are to clean up, the next that it has.

    Args:
        connection: In a transaction that writes.
        target: The execution.
        message: Who asks, and when.
        database: The file that runners share; None for one in memory.

    Returns:
        Not new when it had ended, or its owner had been asked.

    Raises:
        UnknownExecution: There is no such execution.
    """
    found = _get(connection, target)
    if found.status.is_final:
        return Outcome(found.id, is_new=False)
    if _is_owned(connection, found, database, message.at):
        return _ask(connection, found, SignalKind.CANCEL, message, None)
    from cloacina.store import unowned  # noqa: PLC0415 - it needs SQLAlchemy, and nothing else here does

    if unowned.is_cleaned_up_behind(connection, found.id):
        outcome = _ask(connection, found, SignalKind.CANCEL, message, None)
        return outcome._replace(wake=wake_addresses(connection)) if outcome.is_new else outcome
    unowned.cancel(connection, found.id, message.at)
    return Outcome(found.id, is_new=True)


def retry(
    connection: Connection,
    target: Target,
    message: Message,
    context: str | None,
    database: Path | None,
    runner_id: str | None = None,
) -> Outcome:
    """Let an execution that has failed or was cancelled go on from there, or ask the runner that had it to.

    Args:
        connection: In a transaction that writes.
        target: The execution.
        message: Who asks, and when.
        context: Another initial context, JSON; None to keep what it has.
        database: The file that runners share; None for one in memory.
        runner_id: The runner that asks, which need not ask itself.

    Returns:
        Not new when it has completed or has not ended, or its runner had been asked.

    Raises:
        UnknownExecution: There is no such execution.
    """
    found = _get(connection, target)
    if found.status not in {ExecutionStatus.FAILED, ExecutionStatus.CANCELLED}:
        return Outcome(found.id, is_new=False)
    # Its runner may have something to store still, such as the end of a thread that outlived its task.
    if found.runner_id != runner_id and _is_owned(connection, found, database, message.at):
        return _ask(connection, found, SignalKind.RETRY, message, context)
    from cloacina.store import unowned  # noqa: PLC0415 - as above

    unowned.reopen(connection, found.id, context, message.at)
    return Outcome(found.id, is_new=True, wake=wake_addresses(connection))


def unknown(target: Target) -> UnknownExecution:
    """Return the error for an execution that there is not."""
    which = repr(target) if isinstance(target, str) else f"of workflow {target[0]!r} with key {target[1]!r}"
    return UnknownExecution(f"the database holds no execution {which}")


def _get(connection: Connection, target: Target) -> Found:
    found = find(connection, target)
    if found is None:
        raise unknown(target)
    return found


def _is_owned(connection: Connection, found: Found, database: Path | None, now: float) -> bool:
    """Return whether a runner that is at work has an execution."""
    if found.runner_id is None:
        return False
    owner = connection.run(rendered.RUNNER, {"id": found.runner_id}).fetchone()
    if owner is None:  # One that never told of itself: what it runs is its own.
        return not found.status.is_final
    runner_id, status, seen_at = owner
    if status not in _AT_WORK:
        return False
    return database is None or not is_dead(database, runner_id, seen_at, now)


def _has_key(connection: Connection, execution_id: str, name: str, key: str) -> bool:
    parameters = {"execution_id": execution_id, "kind": SignalKind.SIGNAL.value, "name": name, "key": key}
    return connection.run(rendered.SIGNAL_WITH_KEY, parameters).fetchone() is not None


def _answer_to(connection: Connection, wait: AskedWait) -> tuple[str, str | None, float] | None:
    """Return an answer, who has given it, and when."""
    parameters = {"execution_id": wait.execution_id, "wait_id": wait.id}
    found: tuple[str, str | None, float] | None = connection.run(rendered.ANSWER, parameters).fetchone()
    return found


def _why_closed(wait: AskedWait, found: Found, now: float) -> str | None:
    if found.status.is_final:
        return f"execution {found.id} is {found.status}"
    if wait.phase != WaitPhase.WAITING.value:
        outcome = "" if wait.outcome is None else f" ({wait.outcome})"
        return f"task {wait.task_id!r} waits for it no longer{outcome}"
    if wait.deadline is not None and wait.deadline <= now:
        return f"its time was up at {_shown(wait.deadline)}"
    return None


def _shown(at: float) -> str:
    return f"{moment(at):%Y-%m-%d %H:%M:%S} UTC"


def _ask(connection: Connection, found: Found, kind: SignalKind, message: Message, payload: str | None) -> Outcome:
    """Leave a message for an owner, unless it has one of its kind."""
    parameters = {"execution_id": found.id, "kind": kind.value}
    if connection.run(rendered.UNREAD_OF_KIND, parameters).fetchone() is not None:
        return Outcome(found.id, is_new=False)
    return _leave(connection, found, kind, message, "", payload)


def _leave(
    connection: Connection,
    found: Found,
    kind: SignalKind,
    message: Message,
    name: str,
    payload: str | None,
    key: str | None = None,
) -> Outcome:
    new = changes.new_signal(message.id, found.id, kind, name, payload, message.at, key, message.sender)
    seq = connection.run(STATEMENTS[changes.NEW_SIGNAL].one_row, new[1]).lastrowid
    # Without a row there is no runner to wake; one without an address looks by itself.
    (address,) = connection.run(rendered.ADDRESS_OF, {"id": found.runner_id}).fetchone() or (None,)
    wake = () if address is None else (address,)
    sent = StoredSignal(cast("int", seq), message.id, found.id, kind.value, name, payload, message.sender)
    return Outcome(found.id, is_new=True, wake=wake, signal=sent)


def _write(connection: Connection, new: Iterable[Change]) -> None:
    """Write changes of one kind."""
    rows = list(new)
    if rows:
        connection.driver.executemany(STATEMENTS[rows[0][0]].one_row, [parameters for _, parameters, _ in rows])
