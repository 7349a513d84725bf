"""The queries: what they return, in which order, and that they find it by an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event

from cloacina.errors import InvalidOption
from cloacina.store import (
    Database,
    ErrorRecord,
    EventRecord,
    EventType,
    ExecutionRecord,
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
    changes,
    queries,
    requests,
)
from cloacina.store.changes import Change
from cloacina.store.claims import claim
from cloacina.store.connection import Connection
from cloacina.store.group_commit import GroupCommit
from cloacina.store.lookup import find
from cloacina.store.statements import STATEMENTS
from cloacina.store.syncing import Syncing

NOON = 1_750_000_000.25
ERROR = ErrorRecord("load", 1, "ValueError", "no row", "Traceback …", None)
Write = Callable[..., None]


@pytest.fixture
def connection() -> Iterator[Connection]:
    database = Database.open("sqlite://")
    with database.connect() as connection:
        yield connection
    database.close()


@pytest.fixture
def write(connection: Connection) -> Write:
    driver: Any = connection.driver
    commits = GroupCommit(driver, STATEMENTS, Syncing(driver, "fast"), retry_for=0)

    def write_all(*written: Change) -> None:
        connection.rollback()  # ends the read before: there is one connection
        assert commits.commit([written]) == {}

    return write_all


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_execution_is_read_as_it_was_written(connection: Connection, write: Write) -> None:
    write(
        changes.new_execution("e", "report", "v1", '{"path": "ü"}', NOON, "r", "order-17"),
        changes.execution_state("e", ExecutionStatus.FAILED, NOON + 1, NOON + 2, '{"rows": 3}', ERROR.to_json()),
    )

    expected = ExecutionRecord(
        id="e",
        workflow="report",
        workflow_version="v1",
        status=ExecutionStatus.FAILED,
        created_at=datetime(2025, 6, 15, 15, 6, 40, 250_000, UTC),
        started_at=at(NOON + 1),
        finished_at=at(NOON + 2),
        context={"path": "ü"},
        error=ERROR,
        key="order-17",
        runner_id="r",
    )
    assert queries.execution(connection, "e") == expected
    assert queries.executions(connection) == [expected]
    assert queries.execution(connection, ("report", "order-17")) == expected
    assert queries.execution(connection, ("report", "order-18")) is None
    assert queries.events(connection, ("report", "order-18")) == []


def test_unknown_execution_is_none_and_has_nothing(connection: Connection) -> None:
    assert queries.execution(connection, "nowhere") is None
    assert queries.result(connection, "nowhere") is None
    assert queries.tasks(connection, "nowhere") == []
    assert queries.events(connection, "nowhere") == []
    assert queries.waits(connection, "nowhere") == []


def test_executions_come_newest_first_page_by_page(connection: Connection, write: Write) -> None:
    write(*(changes.new_execution(f"{number:02}", "report", "v", "{}", NOON) for number in range(7)))

    pages: list[list[str]] = []
    before = None
    while page := queries.executions(connection, limit=3, before=before):
        pages.append([found.id for found in page])
        before = page[-1].id

    assert pages == [["06", "05", "04"], ["03", "02", "01"], ["00"]]


def test_executions_are_selected_by_status_and_by_workflow(connection: Connection, write: Write) -> None:
    for number, status in enumerate(ExecutionStatus):
        for workflow in ("load", "report"):
            name = f"{workflow}-{number}"
            write(
                changes.new_execution(name, workflow, "v", "{}", NOON),
                changes.execution_state(name, status, None, None, None, None),
            )

    for status in ExecutionStatus:
        found = queries.executions(connection, status=status)
        assert [record.workflow for record in found] == ["report", "load"]
        assert {record.status for record in found} == {status}
        assert found == queries.executions(connection, status=status.value)
    assert len(queries.executions(connection, workflow="load")) == 5
    (failed,) = queries.executions(connection, ExecutionStatus.FAILED, "load", before="load-9")
    assert (failed.workflow, failed.status) == ("load", "Failed")
    assert queries.executions(connection, workflow="another") == []


def test_tasks_come_in_topological_order(connection: Connection, write: Write) -> None:
    error = ERROR.to_json()
    write(
        changes.new_execution("e", "report", "v", "{}", NOON),
        changes.new_task("t1", "e", "last", 2, TaskStatus.PENDING),
        changes.new_task("t2", "e", "first", 0, TaskStatus.READY),
        changes.new_task("t3", "e", "middle", 1, TaskStatus.PENDING),
        changes.task_state("t2", "e", TaskStatus.RUNNING, SubStatus.DEFERRED, 2, NOON, None, None, error, recoveries=3),
        changes.heartbeat("t2", "e", NOON, '{"row": 7}'),
    )

    first, middle, last = queries.tasks(connection, "e")

    assert first == TaskRecord(
        id="t2",
        execution_id="e",
        task_id="first",
        status=TaskStatus.RUNNING,
        sub_status=SubStatus.DEFERRED,
        attempt=2,
        started_at=at(NOON),
        finished_at=None,
        error=ERROR,
        recoveries=3,
        heartbeat_at=at(NOON),
        heartbeat={"row": 7},
    )
    assert (middle.task_id, last.task_id) == ("middle", "last")
    assert (last.sub_status, last.attempt, last.started_at, last.error) == (None, 0, None, None)


def test_events_come_in_the_order_of_storing_and_go_on_from_the_last_one_read(
    connection: Connection, write: Write
) -> None:
    write(changes.new_execution("e", "w", "v", "{}", NOON), changes.new_execution("other", "w", "v", "{}", NOON))
    for number, kind in enumerate(EventType, 1):
        write(
            changes.event("e", number, "t", "load", kind, NOON, 1, 2, '{"delay": 0.5}'),
            changes.event("other", number, None, None, kind, NOON),
        )

    found = queries.events(connection, "e")

    assert [record.type for record in found] == list(EventType)
    assert found[0] == EventRecord(
        execution_id="e",
        number=1,
        task_execution_id="t",
        task_id="load",
        type=EventType.EXECUTION_CREATED,
        at=at(NOON),
        attempt=1,
        slot=2,
        detail={"delay": 0.5},
    )
    assert queries.events(connection, "e", after=found[4].number) == found[5:]
    assert queries.events(connection, "e", after=found[4].number, limit=2) == found[5:7]
    assert queries.events(connection, "e", after=found[-1].number) == []
    assert queries.events(connection, "other")[0].detail is None


def test_waits_are_selected_by_execution_and_by_phase(connection: Connection, write: Write) -> None:
    for execution in ("a", "b"):
        write(
            changes.new_execution(execution, "w", "v", "{}", NOON),
            changes.new_task(f"{execution}-t", execution, "load", 0, TaskStatus.RUNNING),
        )
        for phase in WaitPhase:
            name = f"{execution}-{phase}"
            wait = (name, execution, f"{execution}-t", "load", phase, NOON, NOON + 60, 250)
            write(changes.new_wait(*wait, kind=WaitKind.TIME, name="nap", due_at=NOON + 9))
    write(changes.wait_state("a-ended", "e", WaitPhase.ENDED, 12, NOON + 1, 2, "no such host", "met", NOON + 2))

    assert [wait.id for wait in queries.waits(connection)] == [
        "a-ended", "a-resuming", "a-waiting", "b-ended", "b-resuming", "b-waiting",
    ]  # fmt: skip
    for phase in WaitPhase:
        expected = [f"a-{phase}", f"b-{phase}"]
        assert [wait.id for wait in queries.waits(connection, phase=phase)] == expected
        assert [wait.id for wait in queries.waits(connection, phase=phase.value, limit=1)] == expected[:1]
    (ended,) = queries.waits(connection, "a", WaitPhase.ENDED)
    assert ended == WaitRecord(
        id="a-ended",
        execution_id="a",
        task_execution_id="a-t",
        task_id="load",
        kind=WaitKind.TIME,
        name="nap",
        phase=WaitPhase.ENDED,
        started_at=at(NOON),
        deadline=at(NOON + 60),
        due_at=at(NOON + 9),
        question=None,
        poll_interval_ms=250,
        polls=12,
        next_poll_at=at(NOON + 1),
        errors=2,
        last_error="no such host",
        outcome="met",
        ended_at=at(NOON + 2),
    )


def ask(wait_id: str, execution_id: str, deadline: float | None = None, phase: WaitPhase = WaitPhase.WAITING) -> Change:
    question = changes.question("Ship it?", {"type": "boolean"}, ["ada", "bob"])
    wait = (wait_id, execution_id, "t", "ship", phase, NOON, deadline, None)
    return changes.new_wait(*wait, kind=WaitKind.QUESTION, question_json=question)


def test_questions_are_those_that_nobody_has_answered_yet(connection: Connection, write: Write) -> None:
    write(
        *(changes.new_execution(name, "w", "v", "{}", NOON) for name in ("a", "b")),
        changes.new_task("t", "a", "ship", 0, TaskStatus.RUNNING),
        ask("1 open", "a", NOON + 60),
        ask("2 over", "a", phase=WaitPhase.RESUMING),
        ask("3 answered", "a"),
        ask("4 refused", "a"),
        ask("5 another's", "b"),
        changes.new_wait("6 no question", "a", "t", "ship", WaitPhase.WAITING, NOON, None, 250),
        changes.new_signal("s3", "a", SignalKind.ANSWER, "3 answered", "true", NOON),
        changes.new_signal("s4", "a", SignalKind.ANSWER, "4 refused", "7", NOON),
        changes.signal_state("s4", "a", NOON, None, "7 is no answer"),
    )

    assert [question.id for question in queries.questions(connection)] == ["1 open", "4 refused", "5 another's"]
    assert [question.id for question in queries.questions(connection, "b")] == ["5 another's"]
    assert queries.questions(connection, "a", limit=1) == [
        QuestionRecord("1 open", "a", "ship", "Ship it?", {"type": "boolean"}, ("ada", "bob"), at(NOON), at(NOON + 60))
    ]
    assert queries.waits(connection, "b")[0].question == "Ship it?"


def test_signals_come_in_the_order_of_sending(connection: Connection, write: Write) -> None:
    write(*(changes.new_execution(name, "w", "v", "{}", NOON) for name in ("a", "b")))
    write(changes.new_signal("z", "a", SignalKind.SIGNAL, "paid", '{"amount":3}', NOON, "17", "bank"))
    write(changes.new_signal("y", "b", SignalKind.SIGNAL, "paid", None, NOON))
    write(changes.new_signal("x", "a", SignalKind.CANCEL, "", None, NOON))
    write(changes.signal_state("z", "a", NOON + 1, "a wait", "why not"))

    first, second = queries.signals(connection, "a")

    assert first == SignalRecord(
        seq=1,
        id="z",
        execution_id="a",
        kind=SignalKind.SIGNAL,
        name="paid",
        payload={"amount": 3},
        key="17",
        sender="bank",
        sent_at=at(NOON),
        consumed_at=at(NOON + 1),
        wait_id="a wait",
        refusal="why not",
    )
    assert (second.seq, second.payload, second.consumed_at) == (3, None, None)
    assert queries.signals(connection, "a", "cancel") == [second]
    assert queries.signals(connection, "a", limit=1) == [first]


def test_result_is_there_when_the_execution_has_ended(connection: Connection, write: Write) -> None:
    write(
        changes.new_execution("e", "w", "v", '{"a": 1}', NOON),
        changes.new_task("t2", "e", "second", 1, TaskStatus.SKIPPED),
        changes.new_task("t1", "e", "first", 0, TaskStatus.FAILED),
    )
    for status in (ExecutionStatus.PENDING, ExecutionStatus.RUNNING):
        write(changes.execution_state("e", status, NOON, None, None, None))
        assert queries.result(connection, "e") is None

    context = '{"a": 1, "b": 2}'
    write(changes.execution_state("e", ExecutionStatus.FAILED, NOON + 1, NOON + 2, context, ERROR.to_json()))
    result = queries.result(connection, "e")

    assert result is not None
    assert (result.id, result.status, result.context, result.error) == ("e", "Failed", {"a": 1, "b": 2}, ERROR)
    assert (result.created_at, result.started_at, result.finished_at) == (at(NOON), at(NOON + 1), at(NOON + 2))
    assert list(result.tasks) == ["first", "second"]
    assert result.tasks["second"].status is TaskStatus.SKIPPED


def test_result_without_a_context_of_its_own_has_the_initial_one(connection: Connection, write: Write) -> None:
    write(
        changes.new_execution("e", "w", "v", '{"a": 1}', NOON),
        changes.execution_state("e", ExecutionStatus.CANCELLED, None, NOON, None, None),
    )

    result = queries.result(connection, "e")

    assert result is not None
    assert result.context == {"a": 1}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (lambda c: queries.executions(c, status="Done"), "status is 'Done'; expected one of 'Pending', 'Running'"),
        (lambda c: queries.executions(c, limit=0), "limit is 0"),
        (lambda c: queries.events(c, "e", limit=-1), "limit is -1"),
        (lambda c: queries.waits(c, phase="Waiting"), "phase is 'Waiting'; expected one of 'waiting'"),
        (lambda c: queries.waits(c, limit=-2), "limit is -2"),
        (lambda c: queries.questions(c, limit=-3), "limit is -3"),
        (lambda c: queries.signals(c, "e", kind="call"), "kind is 'call'; expected one of 'signal', 'answer'"),
    ],
)
def test_values_that_a_query_does_not_take_are_refused(
    connection: Connection, query: Callable[[Connection], object], told: str
) -> None:
    with pytest.raises(InvalidOption) as raised:
        query(connection)

    assert told in raised.value.message


SEARCHES: dict[str, tuple[Callable[[Connection], object], str]] = {
    "executions of a workflow": (
        lambda c: queries.executions(c, workflow="w", before="x"),
        "INDEX ix_workflow_executions_workflow",
    ),
    "unfinished executions": (lambda c: queries.executions(c, status="Running"), "INDEX ix_workflow_executions_status"),
    "older failed executions": (
        lambda c: queries.executions(c, status="Failed", before="x"),
        "INDEX ix_workflow_executions_status",
    ),
    "older executions": (lambda c: queries.executions(c, before="x"), "INDEX sqlite_autoindex_workflow_executions_1"),
    "one execution": (lambda c: queries.execution(c, "e"), "INDEX sqlite_autoindex_workflow_executions_1"),
    "tasks": (lambda c: queries.tasks(c, "e"), "INDEX sqlite_autoindex_task_executions_2"),
    "events": (lambda c: queries.events(c, "e", after=3), "PRIMARY KEY"),
    "waits of an execution": (lambda c: queries.waits(c, "e"), "INDEX ix_waits_execution_id"),
    "open waits": (lambda c: queries.waits(c, phase="waiting"), "INDEX ix_waits_phase"),
    "open waits of an execution": (lambda c: queries.waits(c, "e", phase="waiting"), "INDEX ix_waits_execution_id"),
    "open questions": (queries.questions, "INDEX ix_waits_phase"),
    "open questions without answers": (queries.questions, "INDEX ix_signals_execution_id"),
    "open questions of an execution": (lambda c: queries.questions(c, "e"), "INDEX ix_waits_execution_id"),
    "an execution by its key": (
        lambda c: find(c, ("w", "17")),
        "INDEX ix_workflow_executions_idempotency_key",
    ),
    "a signal by its key": (lambda c: requests._has_key(c, "e", "paid", "17"), "COVERING INDEX ix_signals_key"),
    "signals": (lambda c: queries.signals(c, "e"), "INDEX ix_signals_execution_id"),
    "executions that nobody owns": (lambda c: claim(c, "r", ["v", "w"], 9, NOON), "INDEX ix_workflow_executions_free"),
}


@pytest.mark.parametrize("search", SEARCHES)
def test_queries_find_their_rows_by_an_index(
    connection: Connection, search: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query, index = SEARCHES[search]
    plans: list[str] = []

    def explain(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        plan = connection.driver.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plans.extend(row[3] for row in plan)

    def explain_and_run(_: Connection, statement: str, parameters: Any = ()) -> Any:
        explain(None, None, statement, parameters)
        return connection.driver.execute(statement, parameters)

    event.listen(connection.alchemy, "before_cursor_execute", explain)
    monkeypatch.setattr(Connection, "run", explain_and_run)
    query(connection)
    monkeypatch.undo()

    assert any(f"USING {index} " in step for step in plans), plans
    assert not [step for step in plans if step.startswith("SCAN") and "VIRTUAL TABLE" not in step]
    if search not in {"tasks", "executions that nobody owns"}:  # those of one execution are few; of several workflows
        assert not [step for step in plans if "TEMP B-TREE" in step]
