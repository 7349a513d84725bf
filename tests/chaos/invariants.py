"""What has to hold of a file and of the effects outside of it, whenever and however processes have ended."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import effects
from tests.chaos.effects import Effect
from tests.chaos.processes import Place, Work

Row = dict[str, Any]

_FINAL = ("Completed", "Failed", "Cancelled")
_LAST_EVENT = {"Completed": "execution_completed", "Failed": "execution_failed", "Cancelled": "execution_cancelled"}
_LAST_TASK_EVENT = {
    "Completed": "task_completed",
    "Failed": "task_failed",
    "Skipped": "task_skipped",
    "Cancelled": "task_cancelled",
}
_STAGES = {"load": 0, "settle": 1, "review": 1, "insist": 1, "join": 2}
"""How many tasks stand before each."""
_STABLE_IN_AN_ATTEMPT = frozenset({"poll", "sleep", "any", "all", "brief"})
_STABLE_FOR_EVER = frozenset({"checkpoint", "once", "signal", "ask", "approve"})


@dataclass(slots=True)
class Stored:
    """What the file held at one moment, which is to stay as it is; and how many effects there were just after."""

    checkpoints: dict[tuple[str, str, str], str] = field(default_factory=dict)
    completed: dict[str, str | None] = field(default_factory=dict)
    over: dict[str, tuple[str, str | None, str | None]] = field(default_factory=dict)
    consumed: dict[str, str | None] = field(default_factory=dict)
    final: dict[str, str] = field(default_factory=dict)
    effects: int = 0


def look(place: Place) -> Stored:
    """Return what is stored now."""
    stored = Stored()
    if place.database.exists():
        with closing(sqlite3.connect(place.database, timeout=60)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")
            if _rows(connection, "sqlite_master", "name = 'signals'"):
                for row in _rows(connection, "checkpoints", "value IS NOT NULL"):
                    stored.checkpoints[row["task_execution_id"], row["name"], row["key"]] = row["value"]
                for row in _rows(connection, "task_executions", "status = 'Completed'"):
                    stored.completed[row["id"]] = row["changes"]
                for row in _rows(connection, "waits", "outcome = 'timeout' OR value IS NOT NULL"):
                    stored.over[row["id"]] = (row["outcome"], row["value"], row["signal_id"])
                for row in _rows(connection, "signals", "consumed_at IS NOT NULL"):
                    stored.consumed[row["id"]] = row["wait_id"]
                for row in _rows(connection, "workflow_executions", f"status IN {_FINAL}"):
                    stored.final[row["id"]] = row["status"]
    # Behind the look: what is stored was done before it was.
    stored.effects = len(effects.read(place.effects)) if place.effects.exists() else 0
    return stored


def _rows(connection: sqlite3.Connection, table: str, where: str = "1", order: str = "1") -> list[Row]:
    return [dict(row) for row in connection.execute(f"SELECT * FROM {table} WHERE {where} ORDER BY {order}")]


def unfinished(database: Path) -> int | None:
    """Return how many executions have not ended; None when the file cannot be opened at this moment."""
    query = "SELECT count(*) FROM workflow_executions WHERE status IN ('Pending', 'Running')"
    try:
        with closing(sqlite3.connect(database, timeout=60)) as connection:
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_CANTOPEN:
            raise
        return None


def violations(place: Place, works: list[Work], looks: list[Stored]) -> list[str]:
    """Return what does not hold, in words."""
    done = effects.read(place.effects)
    with closing(sqlite3.connect(place.database, timeout=60)) as connection:
        connection.row_factory = sqlite3.Row
        tables = {
            name: _rows(connection, name)
            for name in ("workflow_executions", "task_executions", "waits", "signals", "checkpoints")
        }
        tables["events"] = _rows(connection, "execution_events", order="execution_id, number")
        integrity = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        dangling = connection.execute("PRAGMA foreign_key_check").fetchall()
    found = [] if integrity == ["ok"] else [f"integrity: {integrity}"]
    found += [f"foreign key: {tuple(row)}" for row in dangling]
    now = look(place)
    found += _lasting(looks, now, done)
    found += _executions(works, tables)
    found += _events(tables)
    found += _signals(tables, done)
    found += _answers(done)
    found += _results(works, tables, done)
    found += _bodies(place.slots, done)
    return found


def _lasting(looks: list[Stored], now: Stored, done: list[Effect]) -> Iterator[str]:
    """What was stored once is stored still, and was not made again."""
    for before in looks:
        for name in ("checkpoints", "completed", "over", "consumed", "final"):
            earlier, later = getattr(before, name), getattr(now, name)
            for key, value in earlier.items():
                if later.get(key) != value:
                    yield f"{name}: {key} was {value}, and is {later.get(key)}"
        for effect in done[before.effects :]:
            fields = effect.fields
            if effect.what == "made" and (fields["te"], fields["name"], fields["place"]) in before.checkpoints:
                yield f"a stored checkpoint was made again: {effect}"
            elif effect.what == "enter" and fields["te"] in before.completed:
                yield f"a completed task was run again: {effect}"


def _executions(works: list[Work], tables: dict[str, list[Row]]) -> Iterator[str]:
    by_key = {row["idempotency_key"]: row for row in tables["workflow_executions"]}
    if len(by_key) != len(tables["workflow_executions"]):
        yield "two executions have one key"
    for work in works:
        row = by_key.get(work.target[1])
        if row is None:
            yield f"execution {work.number} was never submitted"
            continue
        fails = any(step[0] == "fail" and step[1] > 3 for steps in work.script.values() for step in steps)
        expected = "Failed" if fails else "Completed"
        if row["status"] != expected and not (work.is_cancelled and row["status"] == "Cancelled"):
            yield f"execution {work.number} is {row['status']}, expected {expected}: {row['error']}"
    for row in tables["task_executions"]:
        if row["status"] not in _LAST_TASK_EVENT:
            yield f"task {row['id']} is {row['status']}"
        if row["sub_status"] is not None:
            yield f"task {row['id']} has ended, and is {row['sub_status']}"
    for row in tables["waits"]:
        if row["phase"] != "ended":
            of_task = [event for event in tables["events"] if event["task_execution_id"] == row["task_execution_id"]]
            history = [(event["number"], event["type"]) for event in of_task]
            yield f"a wait of an execution that has ended is {row['phase']}: {row}; {history}"


def _events(tables: dict[str, list[Row]]) -> Iterator[str]:
    by_execution: defaultdict[str, list[Row]] = defaultdict(list)
    by_task: defaultdict[str, list[Row]] = defaultdict(list)
    for event in tables["events"]:
        by_execution[event["execution_id"]].append(event)
        if event["task_execution_id"] is not None:
            by_task[event["task_execution_id"]].append(event)
    for row in tables["workflow_executions"]:
        events = by_execution[row["id"]]
        if [event["number"] for event in events] != list(range(1, len(events) + 1)):
            yield f"execution {row['id']} has the events {[event['number'] for event in events]}"
        last = [event["type"] for event in events if event["type"] in _LAST_EVENT.values()]
        if last != [_LAST_EVENT.get(row["status"])]:
            yield f"execution {row['id']} is {row['status']}, its events tell {last}"
    for row in tables["task_executions"]:
        kinds = [event["type"] for event in by_task[row["id"]] if event["type"] not in {"slot_kept", "slot_freed"}]
        if not kinds or kinds[-1] != _LAST_TASK_EVENT.get(row["status"]):
            yield f"task {row['id']} is {row['status']}, its events tell {kinds}"
        if kinds.count("task_completed") > 1:
            yield f"task {row['id']} completed {kinds.count('task_completed')} times"
        started = max((event["attempt"] for event in by_task[row["id"]] if event["attempt"]), default=0)
        if started > row["attempt"]:
            yield f"task {row['id']} is in attempt {row['attempt']}, its events tell of {started}"


def _signals(tables: dict[str, list[Row]], done: list[Effect]) -> Iterator[str]:
    """No signal is lost or doubled, and each answer that a wait was given is stored with what it used up."""
    waits = {row["id"]: row for row in tables["waits"]}
    stored = {row["payload"] for row in tables["signals"] if row["kind"] == "signal"}
    for effect in done:
        if effect.what == "sent" and json.dumps(effect.fields["payload"]) not in stored:
            yield f"the signal {effect.fields} was accepted, and is not stored"
    given: defaultdict[str, list[Row]] = defaultdict(list)
    for row in tables["signals"]:
        if row["kind"] in {"signal", "answer"} and row["consumed_at"] is not None and row["refusal"] is None:
            if row["wait_id"] not in waits:
                yield f"signal {row['id']} was used up by a wait that there is not: {row['wait_id']}"
            else:
                given[row["wait_id"]].append(row)
    for wait_id, signals in given.items():
        wait = waits[wait_id]
        if wait["outcome"] != "met":
            yield f"wait {wait_id} used up {len(signals)} signals, and its outcome is {wait['outcome']}"
        if len(signals) != (2 if wait["kind"] == "all" else 1):
            yield f"wait {wait_id} of kind {wait['kind']} used up {len(signals)} signals"
        if wait["kind"] in {"signal", "question"} and (wait["value"], wait["signal_id"]) != (
            signals[0]["payload"],
            signals[0]["id"],
        ):
            yield f"wait {wait_id} has {wait['value']} by {wait['signal_id']}, which was not what it used up"
    for wait in waits.values():
        if wait["kind"] in {"signal", "question"} and wait["outcome"] == "met" and wait["id"] not in given:
            yield f"wait {wait['id']} was met by no signal"
    answers = Counter(row["name"] for row in tables["signals"] if row["kind"] == "answer" and row["refusal"] is None)
    for question, count in answers.items():
        if count > 1:
            yield f"question {question} has {count} answers"


def _answers(done: list[Effect]) -> Iterator[str]:
    """What a task was answered once it is answered again, and what somebody acted upon is not made anew."""
    first: dict[tuple[Any, ...], Any] = {}
    acted: set[tuple[str, int]] = set()
    begun: set[tuple[str, int]] = set()
    given: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
    furthest: defaultdict[int, int] = defaultdict(int)
    for effect in done:
        fields = effect.fields
        if effect.what == "made":
            at = fields["te"], fields["index"]
            if at in acted:
                yield f"made again after its result was acted upon: {effect}"
            if at in begun and fields["step"][0] == "once":
                yield f"made a second time, and may be at most once: {effect}"
            begun.add(at)
        elif effect.what == "answered":
            kind, at, value = fields["step"][0], (fields["te"], fields["index"]), fields["value"]
            acted.add(at)
            if kind in _STABLE_FOR_EVER:
                before = first.setdefault(at, value)
            elif kind in _STABLE_IN_AN_ATTEMPT and value is not None and fields["step"][:2] != ["poll", None]:
                # That the time was up need not be stored when the task acts on it.
                before = first.setdefault((*at, fields["attempt"]), value)
            else:
                before = value
            if before != value:
                yield f"answered {before} at first, and later {value}: {effect}"
            for payload in _payloads(kind, value):
                given[payload].add(at)
        elif effect.what == "enter":
            stage = _STAGES[fields["task"]]
            if stage < furthest[fields["execution"]]:
                yield f"run again after others had acted on its result: {effect}"
            furthest[fields["execution"]] = max(stage, furthest[fields["execution"]])
    for payload, places in given.items():
        if len(places) > 1:
            yield f"the signal {payload} was given to {len(places)} waits: {places}"


def _payloads(kind: str, value: Any) -> list[str]:
    if value is None:
        return []
    if kind in {"signal", "brief"}:
        return [value]
    if kind == "any" and value[0] == 0:
        return [value[1]]
    return [value[0], value[2]] if kind == "all" else []


def _results(works: list[Work], tables: dict[str, list[Row]], done: list[Effect]) -> Iterator[str]:
    """Each effect of an execution that completed has happened, and its context tells the same."""
    by_key = {row["idempotency_key"]: row for row in tables["workflow_executions"]}
    last: dict[tuple[int, str, int], Any] = {}
    for effect in done:
        if effect.what == "answered":
            last[effect.fields["execution"], effect.fields["task"], effect.fields["index"]] = effect.fields["value"]
    for work in works:
        row = by_key.get(work.target[1])
        if row is None or row["status"] != "Completed":
            continue
        context = json.loads(row["final_context"])
        names: list[str] = []
        for task_id, steps in work.script.items():
            for index, step in enumerate(steps):
                if step[0] == "fail":
                    continue
                name = f"{task_id}-{index}"
                names.append(name)
                if (work.number, task_id, index) not in last:
                    yield f"step {name} of execution {work.number} never happened"
                elif context.get(name, "nothing") != last[work.number, task_id, index]:
                    yield (
                        f"step {name} of execution {work.number} was answered "
                        f"{last[work.number, task_id, index]}, and the result holds {context.get(name, 'nothing')}"
                    )
        if context.get("joined") != sorted(names) or context.get("tally") != sorted(work.script):
            yield f"execution {work.number} joined {context.get('joined')} and {context.get('tally')}"


def _bodies(slots: int, done: list[Effect]) -> Iterator[str]:
    """No process runs more bodies than it has slots, and one process at a time has an execution."""
    inside: Counter[int] = Counter()
    owners: defaultdict[int, list[int]] = defaultdict(list)
    for effect in done:
        if effect.what not in {"enter", "leave"}:
            continue
        inside[effect.pid] += 1 if effect.what == "enter" else -1
        if inside[effect.pid] > slots:
            yield f"{inside[effect.pid]} bodies ran at once on {slots} slots: {effect}"
        pids = owners[effect.fields["execution"]]
        if effect.what == "enter" and (not pids or pids[-1] != effect.pid):
            if effect.pid in pids:
                yield f"execution {effect.fields['execution']} went back to a process that had lost it: {effect}"
            pids.append(effect.pid)
