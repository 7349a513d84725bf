"""Changes: where their parameters end, and that writing only the last state of a row loses nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from cloacina.store import Database, EventType, ExecutionStatus, SubStatus, TaskStatus, WaitPhase, changes
from cloacina.store.changes import Change
from cloacina.store.group_commit import GroupCommit, RowMissing
from cloacina.store.records import SignalKind, WaitKind
from cloacina.store.statements import STATEMENTS
from cloacina.store.syncing import Syncing

EXECUTION = changes.new_execution("e", "daily_report", "v1", '{"a": 1}', 1.5, "r", "order-7")
TASK = changes.new_task("t", "e", "load", 7, TaskStatus.READY)
WAIT = changes.new_wait(
    "w",
    "e",
    "t",
    "load",
    WaitPhase.WAITING,
    2.5,
    9.5,
    250,
    kind=WaitKind.SIGNAL,
    name="paid",
    ordinal=2,
    attempt=3,
    due_at=9.0,
    question_json='{"text": "?"}',
)


@contextmanager
def opened() -> Generator[tuple[GroupCommit, sqlite3.Connection]]:
    database = Database.open("sqlite://")
    try:
        with database.connect() as connection:
            driver: Any = connection.driver
            yield (
                GroupCommit(driver, STATEMENTS, Syncing(driver, "fast"), retry_for=0),
                driver,
            )
    finally:
        database.close()


def rows(connection: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    key = {"execution_events": "execution_id, number", "checkpoints": "task_execution_id, name, key"}.get(table, "id")
    cursor = connection.execute(f"SELECT * FROM {table} ORDER BY {key}")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def test_every_parameter_ends_in_its_column() -> None:
    units: list[list[Change]] = [
        [
            EXECUTION,
            TASK,
            WAIT,
            changes.new_signal("s", "e", SignalKind.SIGNAL, "paid", "[7]", 6.5, "k", "ada"),
            changes.checkpoint("t", "e", "charge", "#1", None, 1, "v0", 0.5),
        ],
        [
            changes.checkpoint("t", "e", "charge", "#1", "[8]", 2, "v1", 9.75),
            changes.signal_state("s", "e", 10.25, "w", "too late"),
            changes.execution_owner("e", "r2"),
            changes.heartbeat("t", "e", 12.5, '{"rows": 5}'),
            changes.execution_state("e", ExecutionStatus.FAILED, 3.5, 4.5, '{"b": 2}', '{"x": 1}'),
            changes.task_state(
                "t", "e", TaskStatus.RUNNING, SubStatus.DEFERRED, 3, 5.5, 6.5, '{"c": 3}', '{"y": 2}', 7.25, 4, "v2"
            ),
            changes.wait_state("w", "e", WaitPhase.ENDED, 12, 7.5, 4, "no such host", "timed out", 8.5, "[1]", "s"),
            changes.event("e", 1, "t", "load", EventType.TASK_DEFERRED, 10.5, 3, 2, '{"d": 4}'),
            changes.event("e", 2, None, None, EventType.EXECUTION_FAILED, 11.5),
        ],
    ]
    with opened() as (commits, connection):
        assert commits.commit(units) == {}

        assert rows(connection, "workflow_executions") == [
            {
                "id": "e",
                "workflow": "daily_report",
                "workflow_version": "v1",
                "status": "Failed",
                "created_at": 1.5,
                "started_at": 3.5,
                "finished_at": 4.5,
                "context": '{"a": 1}',
                "final_context": '{"b": 2}',
                "error": '{"x": 1}',
                "runner_id": "r2",
                "idempotency_key": "order-7",
            }
        ]
        assert rows(connection, "task_executions") == [
            {
                "id": "t",
                "execution_id": "e",
                "task_id": "load",
                "position": 7,
                "status": "Running",
                "sub_status": "Deferred",
                "attempt": 3,
                "started_at": 5.5,
                "finished_at": 6.5,
                "changes": '{"c": 3}',
                "error": '{"y": 2}',
                "due_at": 7.25,
                "recoveries": 4,
                "source_version": "v2",
                "heartbeat_at": 12.5,
                "heartbeat": '{"rows": 5}',
            }
        ]
        assert rows(connection, "waits") == [
            {
                "id": "w",
                "execution_id": "e",
                "task_execution_id": "t",
                "task_id": "load",
                "kind": "signal",
                "name": "paid",
                "ordinal": 2,
                "attempt": 3,
                "phase": "ended",
                "started_at": 2.5,
                "deadline": 9.5,
                "due_at": 9.0,
                "question": '{"text": "?"}',
                "poll_interval_ms": 250,
                "polls": 12,
                "next_poll_at": 7.5,
                "errors": 4,
                "last_error": "no such host",
                "outcome": "timed out",
                "value": "[1]",
                "signal_id": "s",
                "ended_at": 8.5,
            }
        ]
        assert rows(connection, "signals") == [
            {
                "seq": 1,
                "id": "s",
                "execution_id": "e",
                "kind": "signal",
                "name": "paid",
                "payload": "[7]",
                "key": "k",
                "sender": "ada",
                "sent_at": 6.5,
                "consumed_at": 10.25,
                "wait_id": "w",
                "refusal": "too late",
            }
        ]
        assert rows(connection, "checkpoints") == [
            {
                "task_execution_id": "t",
                "name": "charge",
                "key": "#1",
                "value": "[8]",
                "attempt": 2,
                "source_version": "v1",
                "created_at": 9.75,
            }
        ]
        first, second = rows(connection, "execution_events")
        assert first == {
            "execution_id": "e",
            "number": 1,
            "task_execution_id": "t",
            "task_id": "load",
            "type": "task_deferred",
            "at": 10.5,
            "attempt": 3,
            "slot": 2,
            "detail": '{"d": 4}',
        }
        assert second["type"] == "execution_failed"
        assert [second[name] for name in ("task_execution_id", "task_id", "attempt", "slot", "detail")] == [None] * 5


def test_every_change_names_its_execution() -> None:
    states = [
        changes.execution_state("e", ExecutionStatus.RUNNING, None, None, None, None),
        changes.task_state("t", "e", TaskStatus.READY, None, 1, None, None, None, None),
        changes.wait_state("w", "e", WaitPhase.WAITING, 0, None, 0, None, None, None),
        changes.event("e", 1, "t", "load", EventType.TASK_READY, 1.0),
        changes.new_signal("s", "e", SignalKind.SIGNAL, "paid", None, 1.0),
        changes.signal_state("s", "e", 1.0, None),
        changes.checkpoint("t", "e", "charge", "#1", None, 1, None, 1.0),
        changes.execution_owner("e", None),
        changes.heartbeat("t", "e", 1.0, None),
        changes.wait_ended("w", "e", "dropped", 1.0),
    ]

    found = {kind: execution_id for kind, _, execution_id in [EXECUTION, TASK, WAIT, *states]}

    assert found == dict.fromkeys(range(changes.EVENT + 1), "e")


def test_new_rows_begin_pending_without_an_attempt_and_without_polls() -> None:
    with opened() as (commits, connection):
        commits.commit([[EXECUTION, TASK, WAIT]])

        assert rows(connection, "workflow_executions")[0]["status"] == "Pending"
        assert rows(connection, "task_executions")[0]["attempt"] == 0
        assert [rows(connection, "waits")[0][name] for name in ("polls", "errors")] == [0, 0]


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 200])
def test_any_number_of_rows_is_written(count: int) -> None:
    added = [changes.new_task(f"t{n}", "e", f"task{n}", n, TaskStatus.PENDING) for n in range(count)]
    states = [
        changes.task_state(f"t{n}", "e", TaskStatus.COMPLETED, None, n, float(n), n + 0.5, None, None)
        for n in range(count)
    ]
    with opened() as (commits, connection):
        commits.commit([[EXECUTION, *added]])
        commits.commit([states])

        stored = {
            row["id"]: (row["position"], row["attempt"], row["status"]) for row in rows(connection, "task_executions")
        }
        assert stored == {f"t{n}": (n, n, "Completed") for n in range(count)}


def test_events_are_stored_in_the_order_of_the_queue() -> None:
    units = [[changes.event("e", n, None, None, EventType.TASK_READY, float(n))] for n in range(150)]
    with opened() as (commits, connection):
        commits.commit([[EXECUTION], *units])

        assert [row["at"] for row in rows(connection, "execution_events")] == [float(n) for n in range(150)]


REFUSED_UNITS: dict[str, tuple[list[Change], type[Exception]]] = {
    "task of no execution": (
        [changes.new_task("t2", "nowhere", "load", 0, TaskStatus.READY)],
        sqlite3.IntegrityError,
    ),
    "event of no execution": (
        [changes.event("nowhere", 1, None, None, EventType.TASK_READY, 1.0)],
        sqlite3.IntegrityError,
    ),
    "execution that exists": ([EXECUTION], sqlite3.IntegrityError),
    "event of a number that exists": (
        [changes.event("e", 1, None, None, EventType.TASK_READY, 1.0)],
        sqlite3.IntegrityError,
    ),
    "task twice in an execution": (
        [changes.new_task("t2", "e", "load", 0, TaskStatus.READY)],
        sqlite3.IntegrityError,
    ),
    "state of no row": (
        [changes.execution_state("nowhere", ExecutionStatus.RUNNING, 1.0, None, None, None)],
        RowMissing,
    ),
    "value that the driver cannot bind": (
        [(changes.EVENT, ("e", 3, None, None, "x", object(), 1, 1, None), "e")],
        sqlite3.Error,
    ),
    "unknown kind": ([(99, ("e",), "e")], IndexError),
}


@pytest.mark.parametrize("name", REFUSED_UNITS)
def test_refused_unit_is_left_out_whole_and_takes_nothing_with_it(name: str) -> None:
    refused, error = REFUSED_UNITS[name]
    before = [changes.event("e", 1, None, None, EventType.TASK_STARTED, 1.0)]
    poisoned = [changes.event("e", 2, None, None, EventType.TASK_FAILED, 2.0), *refused]
    after = [changes.task_state("t", "e", TaskStatus.RUNNING, SubStatus.ACTIVE, 1, 3.0, None, None, None)]
    with opened() as (commits, connection):
        commits.commit([[EXECUTION, TASK]])

        errors = commits.commit([before, poisoned, after])

        assert list(errors) == [1]
        assert isinstance(errors[1], error)
        assert [row["type"] for row in rows(connection, "execution_events")] == ["task_started"]
        assert rows(connection, "task_executions")[0]["status"] == "Running"
        assert not connection.in_transaction


def test_rows_that_a_trigger_of_somebody_else_adds_are_not_taken_for_missing_ones() -> None:
    missing = [changes.execution_state("nowhere", ExecutionStatus.RUNNING, 1.0, None, None, None)]
    ready = [changes.event("e", 1, None, None, EventType.TASK_READY, 1.0)]
    with opened() as (commits, connection):
        connection.execute("CREATE TABLE audit (what TEXT)")
        connection.execute(
            "CREATE TRIGGER audit AFTER INSERT ON workflow_executions BEGIN INSERT INTO audit VALUES (NEW.id); END"
        )

        assert commits.commit([[EXECUTION, TASK]]) == {}
        errors = commits.commit([missing, ready])

        assert list(errors) == [0]
        assert isinstance(errors[0], RowMissing)
        assert connection.execute("SELECT what FROM audit").fetchall() == [("e",)]
        assert len(rows(connection, "task_executions")) == len(rows(connection, "execution_events")) == 1


def test_refused_unit_that_is_alone_is_left_out_too() -> None:
    with opened() as (commits, connection):
        commits.commit([[EXECUTION]])

        errors = commits.commit([[TASK, EXECUTION]])

        assert isinstance(errors[0], sqlite3.IntegrityError)
        assert rows(connection, "task_executions") == []


moments = st.none() | st.floats(min_value=0, max_value=4e9)
texts = st.none() | st.sampled_from(["{}", '{"a": 1}', '{"b": [2, "ü"]}'])


@st.composite
def histories(draw: st.DrawFn) -> list[list[Change]]:
    """Units that an engine might write: rows are added before their states and events, in any interleaving."""
    units: list[list[Change]] = []
    executions: list[str] = []
    tasks: list[tuple[str, str]] = []
    waits: list[str] = []
    signals: list[str] = []
    for number in range(draw(st.integers(1, 25))):
        unit: list[Change] = []
        for step in range(draw(st.integers(0, 4))):
            kinds = [changes.NEW_EXECUTION]
            kinds += [changes.NEW_TASK, changes.EXECUTION_STATE, changes.EXECUTION_OWNER] if executions else []
            kinds += [changes.NEW_SIGNAL, changes.EVENT] if executions else []
            kinds += [changes.NEW_WAIT, changes.TASK_STATE, changes.HEARTBEAT, changes.CHECKPOINT] if tasks else []
            kinds += [changes.WAIT_STATE] if waits else []
            kinds += [changes.SIGNAL_STATE] if signals else []
            kind = draw(st.sampled_from(kinds))
            name = f"{number:03}-{step}"
            if kind == changes.NEW_EXECUTION:
                unit.append(changes.new_execution(name, "w", "v", "{}", float(number)))
                executions.append(name)
            elif kind == changes.NEW_TASK:
                execution = draw(st.sampled_from(executions))
                unit.append(changes.new_task(name, execution, f"task{name}", step, draw(st.sampled_from(TaskStatus))))
                tasks.append((execution, name))
            elif kind == changes.NEW_WAIT:
                execution, task = draw(st.sampled_from(tasks))
                unit.append(changes.new_wait(name, execution, task, "x", WaitPhase.WAITING, 1.0, draw(moments), 5))
                waits.append(name)
            elif kind == changes.NEW_SIGNAL:
                unit.append(
                    changes.new_signal(name, draw(st.sampled_from(executions)), SignalKind.SIGNAL, "x", "1", 1.0)
                )
                signals.append(name)
            elif kind == changes.SIGNAL_STATE:
                unit.append(changes.signal_state(draw(st.sampled_from(signals)), "e", float(number), None))
            elif kind == changes.CHECKPOINT:
                row, made = draw(st.sampled_from(tasks))[1], draw(st.sampled_from(["#1", "=a"]))
                unit.append(changes.checkpoint(row, "e", "x", made, draw(texts), step, None, float(number)))
            elif kind == changes.HEARTBEAT:
                unit.append(changes.heartbeat(draw(st.sampled_from(tasks))[1], "e", float(number), draw(texts)))
            elif kind == changes.EXECUTION_OWNER:
                owner = draw(st.none() | st.just("r"))
                unit.append(changes.execution_owner(draw(st.sampled_from(executions)), owner))
            elif kind == changes.EXECUTION_STATE:
                status = draw(st.sampled_from(ExecutionStatus))
                row = draw(st.sampled_from(executions))
                unit.append(changes.execution_state(row, status, draw(moments), None, draw(texts), draw(texts)))
            elif kind == changes.TASK_STATE:
                status, (_, row) = draw(st.sampled_from(TaskStatus)), draw(st.sampled_from(tasks))
                sub_status = draw(st.none() | st.sampled_from(SubStatus))
                unit.append(
                    changes.task_state(row, "e", status, sub_status, number, draw(moments), None, draw(texts), None)
                )
            elif kind == changes.WAIT_STATE:
                phase, row = draw(st.sampled_from(WaitPhase)), draw(st.sampled_from(waits))
                unit.append(changes.wait_state(row, "e", phase, number, draw(moments), step, None, draw(texts), None))
            else:
                row = draw(st.sampled_from(executions))
                kind_of_event = draw(st.sampled_from(EventType))
                unit.append(changes.event(row, number * 10 + step, None, None, kind_of_event, float(number), step))
        units.append(unit)
    return units


def stored(batches: Sequence[Sequence[Sequence[Change]]]) -> dict[str, list[dict[str, Any]]]:
    with opened() as (commits, connection):
        for batch in batches:
            assert commits.commit(batch) == {}
        tables = ("workflow_executions", "task_executions", "waits", "signals", "checkpoints", "execution_events")
        return {table: rows(connection, table) for table in tables}


@given(units=histories(), data=st.data())
def test_grouping_units_stores_what_writing_each_change_alone_would(
    units: list[list[Change]], data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(units)))) | {0, len(units)})
    batches = [units[start:end] for start, end in pairwise(cuts)]
    alone = [[[change]] for unit in units for change in unit]

    assert stored(batches) == stored(alone)
