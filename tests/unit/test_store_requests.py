"""Requests: what they write, for whom they leave a message instead, and whom they refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cloacina.errors import (
    ExecutionEnded,
    InvalidAnswer,
    QuestionClosed,
    UnknownExecution,
    UnknownQuestion,
)
from cloacina.store import Database, EventType, ExecutionStatus, SubStatus, TaskStatus, WaitPhase, changes, queries
from cloacina.store.changes import Change
from cloacina.store.claims import claim, register_runner, tell_runner
from cloacina.store.connection import Connection
from cloacina.store.group_commit import GroupCommit
from cloacina.store.ownership import Place, RunnerLock
from cloacina.store.records import SignalKind, WaitKind
from cloacina.store.requests import Message, NewExecution, NewTask, answer, cancel, retry, signal, submit
from cloacina.store.statements import STATEMENTS
from cloacina.store.syncing import Syncing

NOW = 1_750_000_000.25
ADA = Message("m", NOW, "ada")
TASKS = (NewTask("t1", "load", TaskStatus.READY), NewTask("t2", "report", TaskStatus.PENDING))
Write = Callable[..., None]


@pytest.fixture
def connection(path: Path) -> Iterator[Connection]:
    database = Database.open(path)
    with database.connect() as connection:
        yield connection
    database.close()


@pytest.fixture
def write(connection: Connection) -> Write:
    driver: Any = connection.driver
    commits = GroupCommit(driver, STATEMENTS, Syncing(driver, "fast"), retry_for=0)

    def write_all(*written: Change) -> None:
        connection.commit()
        assert commits.commit([written]) == {}

    return write_all


@pytest.fixture
def live(connection: Connection, path: Path) -> Iterator[RunnerLock]:
    """Let `live` and `dead` be runners: one is at work, the other's process has ended."""
    lock = RunnerLock.take(path, "live")
    RunnerLock.take(path, "dead").close()
    for runner_id in ("live", "dead", "left"):
        register_runner(connection, runner_id, Place.here(), NOW, f"/{runner_id}", 4, "1")
    tell_runner(connection, "left", NOW, status="stopped")
    yield lock
    lock.release()


def rows(connection: Connection, table: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2"))]


def everything(connection: Connection) -> list[Any]:
    return [rows(connection, table) for table in ("workflow_executions", "task_executions", "waits", "signals")]


def new(name: str, tasks: tuple[NewTask, ...] = ()) -> NewExecution:
    return NewExecution(name, "orders", "v", '{"n":1}', tasks)


def executed(write: Write, name: str, status: ExecutionStatus, runner_id: str | None = None) -> None:
    write(changes.new_execution(name, "orders", "v", '{"n":1}', NOW - 9, runner_id))
    write(changes.execution_state(name, status, NOW - 5, NOW if status.is_final else None, None, None))


def types(connection: Connection, name: str) -> list[str]:
    events = queries.events(connection, name)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    return [event.type.value for event in events]


# ── Submitting ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_submitted_executions_are_free_for_the_runner_that_claims_them_first(
    connection: Connection, live: RunnerLock
) -> None:
    submitted = submit(connection, [new("a", TASKS), new("b")], NOW)

    assert (submitted.execution_id, submitted.is_new, submitted.wake) == ("a", True, ["/live", "/dead"])
    assert types(connection, "a") == types(connection, "b") == ["execution_created"]
    record = queries.execution(connection, "a")
    assert record is not None
    assert (record.status, record.context, record.key, record.runner_id) == ("Pending", {"n": 1}, None, None)
    first, second = claim(connection, "r", ["orders"], 9, 9.0)
    assert [(task.id, task.task_id, task.status) for task in first.tasks] == [
        ("t1", "load", "Ready"), ("t2", "report", "Pending"),
    ]  # fmt: skip
    assert (second.id, second.tasks, second.events) == ("b", [], 1)


def test_key_is_submitted_once_for_each_workflow(connection: Connection) -> None:
    first = submit(connection, [new("a", TASKS)], NOW, key="17")
    before = everything(connection)

    again = submit(connection, [new("b", TASKS)], NOW, key="17")

    assert (first.is_new, again.execution_id, again.is_new, again.wake) == (True, "a", False, ())
    assert everything(connection) == before
    assert submit(connection, [NewExecution("c", "another", "v", "{}")], NOW, key="17").is_new
    assert submit(connection, [new("d")], NOW, key="18").is_new


# ── Signals ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_signal_is_stored_for_the_owner_who_is_told_where_to_find_it(
    connection: Connection, write: Write, live: RunnerLock
) -> None:
    executed(write, "a", ExecutionStatus.RUNNING, "live")

    sent = signal(connection, "a", ADA, "paid", '{"amount":3}', "17")

    assert (sent.is_new, sent.wake) == (True, ("/live",))
    assert sent.signal == (1, "m", "a", "signal", "paid", '{"amount":3}', "ada")
    (stored,) = queries.signals(connection, "a")
    assert (stored.payload, stored.key, stored.sender, stored.sent_at.timestamp()) == ({"amount": 3}, "17", "ada", NOW)


def test_signals_of_one_name_and_key_are_one_also_after_the_end(connection: Connection, write: Write) -> None:
    submit(connection, [new("a")], NOW, key="17")
    target = ("orders", "17")
    assert signal(connection, target, ADA, "paid", "1", "k").is_new

    assert not signal(connection, "a", Message("m2", NOW), "paid", "2", "k").is_new
    assert signal(connection, "a", Message("m3", NOW), "sent", None, "k").is_new
    assert signal(connection, "a", Message("m4", NOW), "paid", None).is_new
    assert [found.payload for found in queries.signals(connection, "a")] == [1, None, None]
    cancel(connection, "a", ADA, None)
    assert not signal(connection, "a", Message("m5", NOW), "paid", "1", "k").is_new
    with pytest.raises(ExecutionEnded, match=r"^execution a is Cancelled, so nobody would read the signal 'paid'"):
        signal(connection, target, Message("m6", NOW), "paid", "1", "another")


@pytest.mark.parametrize("target", ["nowhere", ("orders", "17")])
@pytest.mark.parametrize(
    "request_of",
    [
        lambda connection, target: signal(connection, target, ADA, "paid", None),
        lambda connection, target: cancel(connection, target, ADA, None),
        lambda connection, target: retry(connection, target, ADA, None, None),
    ],
    ids=["signal", "cancel", "retry"],
)
def test_requests_for_executions_that_there_are_not_are_refused(
    connection: Connection, request_of: Callable[[Connection, Any], object], target: Any
) -> None:
    with pytest.raises(UnknownExecution, match=r"^the database holds no execution ('nowhere'|of workflow 'orders')"):
        request_of(connection, target)


# ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

SCHEMA = {"type": "object", "properties": {"approved": {"type": "boolean"}}, "required": ["approved"]}
QUESTION = changes.question("Ship it?", SCHEMA)


@pytest.fixture
def question(write: Write) -> str:
    executed(write, "a", ExecutionStatus.RUNNING)
    wait = ("q", "a", "t", "ship", WaitPhase.WAITING, NOW - 3, NOW + 60, None)
    write(
        changes.new_task("t", "a", "ship", 0, TaskStatus.READY),
        changes.new_wait(*wait, kind=WaitKind.QUESTION, question_json=QUESTION),
    )
    return "q"


def test_first_valid_answer_counts_and_the_same_again_is_no_other(connection: Connection, question: str) -> None:
    with pytest.raises(InvalidAnswer, match=r"^answer\['approved'\] is \"yes\"; expected true or false. The question"):
        answer(connection, question, ADA, '{"approved":"yes"}')

    given = answer(connection, question, ADA, '{"approved":true,"note":"ü"}')
    again = answer(connection, question, Message("m2", NOW, "bob"), '{"note":"ü","approved":true}')

    assert (given.execution_id, given.is_new, again.execution_id, again.is_new) == ("a", True, "a", False)
    assert given.signal == (1, "m", "a", "answer", question, '{"approved":true,"note":"ü"}', "ada")
    with pytest.raises(QuestionClosed, match=r"^ada has answered .*'Ship it\?' at 2025-06-15 15:06:40 UTC: {"):
        answer(connection, question, Message("m3", NOW, "bob"), '{"approved":false}')
    assert queries.questions(connection) == []
    assert len(queries.signals(connection, "a")) == 1


def test_answer_that_the_task_has_refused_makes_way_for_another(
    connection: Connection, write: Write, question: str
) -> None:
    answer(connection, question, ADA, '{"approved":true}')
    write(changes.signal_state("m", "a", NOW, None, "the model asks for more"))

    assert answer(connection, question, Message("m2", NOW), '{"approved":false}').is_new


ENDED = changes.execution_state("a", ExecutionStatus.FAILED, NOW, NOW, None, None)
LEFT = changes.wait_state("q", "a", WaitPhase.ENDED, 0, None, 0, None, "cancelled", NOW)
RESUMING = changes.wait_state("q", "a", WaitPhase.RESUMING, 0, None, 0, None, None, None)


@pytest.mark.parametrize(
    ("meanwhile", "at", "told"),
    [
        ([ENDED], NOW, "execution a is Failed"),
        ([LEFT], NOW, r"task 'ship' waits for it no longer \(cancelled\)"),
        ([RESUMING], NOW, "task 'ship' waits for it no longer "),
        ([], NOW + 60, "its time was up at 2025-06-15 15:07:40 UTC"),
    ],
    ids=["ended", "left", "resuming", "late"],
)
def test_answer_that_nobody_waits_for_is_refused(
    connection: Connection, write: Write, question: str, meanwhile: list[Change], at: float, told: str
) -> None:
    write(*meanwhile)

    with pytest.raises(QuestionClosed, match=rf"^the question 'Ship it\?' is closed: {told}"):
        answer(connection, question, Message("m", at), '{"approved":true}')


def test_answer_to_what_is_no_question_is_refused(connection: Connection, write: Write, question: str) -> None:
    write(changes.new_wait("w", "a", "t", "ship", WaitPhase.WAITING, NOW, None, 250))

    for other in ("nowhere", "w"):
        with pytest.raises(UnknownQuestion, match=f"no question '{other}'"):
            answer(connection, other, ADA, "true")


# ── Cancelling ───────────────────────────────────────────────────────────────────────────────────────────────────────


def half_done(write: Write, name: str, runner_id: str | None) -> None:
    """Store an execution of three tasks: one has completed, one waits and one has not begun."""
    executed(write, name, ExecutionStatus.RUNNING, runner_id)
    load, wait, report = f"{name}-load", f"{name}-wait", f"{name}-report"
    write(
        changes.new_task(load, name, "load", 0, TaskStatus.READY),
        changes.new_task(wait, name, "wait", 1, TaskStatus.READY),
        changes.new_task(report, name, "report", 2, TaskStatus.PENDING),
        changes.event(name, 1, None, None, EventType.EXECUTION_CREATED, NOW),
        changes.new_wait("w", name, wait, "wait", WaitPhase.WAITING, NOW, None, 250),
    )
    written = '{"set":{"rows":[1,2]},"delete":["n"]}'
    write(
        changes.task_state(load, name, TaskStatus.COMPLETED, None, 1, NOW - 4, NOW - 3, written, None),
        changes.task_state(
            wait, name, TaskStatus.RUNNING, SubStatus.DEFERRED, 2, NOW + 2, None, None, None, NOW + 7, 1
        ),
    )


@pytest.mark.parametrize("owner", [None, "dead", "left"])
def test_execution_that_nobody_runs_is_cancelled_at_once(
    connection: Connection, write: Write, path: Path, live: RunnerLock, owner: str | None
) -> None:
    half_done(write, "a", owner)

    cancelled = cancel(connection, "a", ADA, path)

    assert (cancelled.is_new, cancelled.signal, cancelled.wake) == (True, None, ())
    result = queries.result(connection, "a")
    assert result is not None
    assert (result.status, result.context, result.error) == ("Cancelled", {"rows": [1, 2]}, None)
    assert [task.status.value for task in result.tasks.values()] == ["Completed", "Cancelled", "Cancelled"]
    waiting = result.tasks["wait"]
    assert (waiting.sub_status, waiting.finished_at) == (None, waiting.started_at), "the clock was set back"
    assert types(connection, "a") == ["execution_created", "task_cancelled", "task_cancelled", "execution_cancelled"]
    assert [event.task_id for event in queries.events(connection, "a")] == [None, "wait", "report", None]
    (wait,) = queries.waits(connection, "a")
    assert (wait.phase, wait.outcome) == ("ended", "cancelled")
    assert not cancel(connection, "a", ADA, path).is_new


def test_owner_is_asked_once_to_cancel_and_keeps_its_rows(
    connection: Connection, write: Write, path: Path, live: RunnerLock
) -> None:
    half_done(write, "a", "live")
    half = everything(connection)[:3]

    asked = cancel(connection, "a", ADA, path)
    again = cancel(connection, "a", Message("m2", NOW), path)

    assert (asked.is_new, asked.wake) == (True, ("/live",))
    assert (again.is_new, again.signal) == (False, None)
    assert everything(connection)[:3] == half
    (stored,) = queries.signals(connection, "a")
    assert (stored.kind, stored.sender) == (SignalKind.CANCEL, "ada")


def test_execution_of_a_runner_that_never_told_of_itself_is_its_own(connection: Connection, write: Write) -> None:
    executed(write, "a", ExecutionStatus.RUNNING, "unheard of")

    assert cancel(connection, "a", ADA, None).signal is not None


# ── Going on after a failure ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("owner", [None, "dead", "unheard of"])
@pytest.mark.parametrize("context", [None, '{"n":2}'])
def test_failed_execution_goes_on_with_what_had_not_completed(
    connection: Connection, write: Write, path: Path, live: RunnerLock, owner: str | None, context: str | None
) -> None:
    half_done(write, "a", owner)
    write(changes.new_signal("s", "a", SignalKind.CANCEL, "", None, NOW))
    write(changes.new_signal("s2", "a", SignalKind.SIGNAL, "paid", None, NOW))
    connection.execute(text("UPDATE workflow_executions SET runner_id = NULL"))
    cancel(connection, "a", ADA, path)
    connection.execute(text("UPDATE workflow_executions SET runner_id = :owner, error = '{}'"), {"owner": owner})

    retried = retry(connection, "a", ADA, context, path)

    assert (retried.is_new, retried.signal, retried.wake) == (True, None, ["/live", "/dead"])
    assert types(connection, "a")[-2:] == ["execution_cancelled", "execution_retried"]
    record = queries.execution(connection, "a")
    assert record is not None
    assert (record.status, record.context) == ("Pending", {"n": 2 if context else 1})
    assert (record.started_at, record.finished_at, record.error, record.runner_id) == (None, None, None, None)
    (stored,) = claim(connection, "r", ["orders"], 1, 9.0)
    assert [(task.task_id, task.status, task.attempt, task.recoveries) for task in stored.tasks] == [
        ("load", "Completed", 1, 0), ("wait", "Pending", 0, 0), ("report", "Pending", 0, 0),
    ]  # fmt: skip
    assert stored.tasks[0].changes is not None
    assert stored.tasks[1][6:11] == (None,) * 5
    assert [found.id for found in stored.signals] == ["s2"], "what was asked of the runner before is over"
    assert connection.scalar(text("SELECT attempt FROM waits")) == 0
    assert not retry(connection, "a", ADA, None, path).is_new


def test_runner_that_had_a_failed_execution_is_asked_to_go_on(
    connection: Connection, write: Write, path: Path, live: RunnerLock
) -> None:
    executed(write, "a", ExecutionStatus.FAILED, "live")

    asked = retry(connection, "a", ADA, '{"n":2}', path)

    assert (asked.is_new, asked.wake) == (True, ("/live",))
    assert asked.signal is not None
    assert asked.signal[3:] == ("retry", "", '{"n":2}', "ada")
    assert not retry(connection, "a", Message("m2", NOW), None, path).is_new


@pytest.mark.parametrize("status", [ExecutionStatus.PENDING, ExecutionStatus.RUNNING, ExecutionStatus.COMPLETED])
def test_what_has_not_failed_is_not_retried(connection: Connection, write: Write, status: ExecutionStatus) -> None:
    executed(write, "a", status)
    before = everything(connection)

    assert not retry(connection, "a", ADA, None, None).is_new
    assert everything(connection) == before
