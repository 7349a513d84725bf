"""The timeline tells from events alone who held which slot when, and who waited."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cloacina.errors import InvalidOption
from cloacina.observe import Stretch, StretchKind, read_stretches, render_timeline
from cloacina.store.records import EventRecord, EventType

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def events(*told: tuple[float, str | None, EventType, int | None]) -> list[EventRecord]:
    return [
        EventRecord("x", number, task, task, kind, BEGIN + timedelta(seconds=at), 1, slot, None)
        for number, (at, task, kind, slot) in enumerate(told, 1)
    ]


WAITER_AND_WORKER = events(
    (0, None, EventType.EXECUTION_CREATED, None),
    (0, "waiter", EventType.TASK_STARTED, 0),
    (1, "waiter", EventType.TASK_DEFERRED, 0),
    (1, "worker", EventType.TASK_STARTED, 0),
    (5, "waiter", EventType.TASK_RESUMING, None),
    (8, "worker", EventType.TASK_COMPLETED, 0),
    (8, "waiter", EventType.TASK_RESUMED, 0),
    (10, "waiter", EventType.TASK_COMPLETED, 0),
)


def test_task_holds_waits_queues_and_holds_again() -> None:
    stretches = [stretch for stretch in read_stretches(WAITER_AND_WORKER) if stretch.task_id == "waiter"]
    assert stretches == [
        Stretch("waiter", StretchKind.HELD, 0, 0, 1),
        Stretch("waiter", StretchKind.WAITED, None, 1, 5),
        Stretch("waiter", StretchKind.QUEUED, None, 5, 8),
        Stretch("waiter", StretchKind.HELD, 0, 8, 10),
    ]


def test_what_has_not_ended_ends_with_the_last_event() -> None:
    told = events((0, "a", EventType.TASK_STARTED, 1), (3, "b", EventType.TASK_STARTED, 2))
    assert read_stretches(told)[0] == Stretch("a", StretchKind.HELD, 1, 0, 3)


def test_no_stretch_ends_before_it_begins_when_the_clock_was_set_back() -> None:
    told = events(
        (3600, "a", EventType.TASK_STARTED, 0),
        (1, "a", EventType.TASK_DEFERRED, 0),
        (2, "b", EventType.TASK_STARTED, 0),
        (7200, "b", EventType.SLOT_KEPT, 0),
        (3, "b", EventType.TASK_FAILED, 0),
        (4, "b", EventType.SLOT_FREED, 0),
    )
    assert all(0 <= stretch.start <= stretch.end for stretch in read_stretches(told))


def test_slot_kept_by_the_thread_of_a_timed_out_attempt_is_held_until_it_is_freed() -> None:
    told = events(
        (0, "a", EventType.TASK_STARTED, 3),
        (2, "a", EventType.SLOT_KEPT, 3),
        (2, "a", EventType.TASK_FAILED, 3),
        (7, "a", EventType.SLOT_FREED, 3),
    )
    assert read_stretches(told) == [
        Stretch("a", StretchKind.HELD, 3, 0, 2),
        Stretch("a", StretchKind.HELD, 3, 2, 7),
    ]


def test_attempts_of_a_retried_task_are_apart() -> None:
    told = events(
        (0, "a", EventType.TASK_STARTED, 0),
        (1, "a", EventType.TASK_RETRYING, 0),
        (4, "a", EventType.TASK_STARTED, 1),
        (5, "a", EventType.TASK_COMPLETED, 1),
    )
    assert [(s.slot, s.start, s.end) for s in read_stretches(told)] == [(0, 0, 1), (1, 4, 5)]


def test_slot_has_one_holder_though_its_end_is_told_after_the_next_ones_beginning() -> None:
    told = events(
        (0, "first", EventType.TASK_STARTED, 0),
        (2, "second", EventType.TASK_STARTED, 0),
        (2.5, "first", EventType.TASK_COMPLETED, 0),
        (4, "second", EventType.TASK_COMPLETED, 0),
    )
    assert [(s.task_id, s.start, s.end) for s in read_stretches(told)] == [("first", 0, 2), ("second", 2, 4)]


def test_drawing_has_a_row_for_each_slot_and_for_each_waiting_task() -> None:
    assert render_timeline(WAITER_AND_WORKER, width=45).splitlines() == [
        "          |0 s      |5 s",
        "slot 0    aabbbbbbbbbbbbbbaaaa",
        "",
        "a waiter  aa--------======aaaa waited 7.00 s",
        "",
        "letter: holds a slot   . idle slot   - waits   = queues for a slot",
        "",
        "time in slots",
        "a waiter 3.00 s   b worker 7.00 s",
    ]


def test_task_too_short_for_a_character_is_still_seen() -> None:
    told = events(
        (0, "long", EventType.TASK_STARTED, 0),
        (50, "long", EventType.TASK_COMPLETED, 0),
        (50, "short", EventType.TASK_STARTED, 0),
        (50.001, "short", EventType.TASK_COMPLETED, 0),
        (50.001, "next", EventType.TASK_STARTED, 0),
        (100, "next", EventType.TASK_COMPLETED, 0),
    )
    row = render_timeline(told, width=60).splitlines()[1]
    assert {"a", "b", "c"} <= set(row.removeprefix("slot 0"))


@pytest.mark.parametrize("width", [40, 60, 100, 160])
def test_rows_fit_the_width(width: int) -> None:
    told: list[tuple[float, str | None, EventType, int | None]] = []
    for index in range(70):
        name = f"a_task_with_a_rather_long_name_{index}"
        told += [(index, name, EventType.TASK_STARTED, index % 3), (index + 0.5, name, EventType.TASK_DEFERRED, None)]
        told += [(index + 3, name, EventType.TASK_RESUMED, 0), (index + 3.1, name, EventType.TASK_COMPLETED, 0)]
    lines = render_timeline(events(*told), width=width).splitlines()
    assert all(len(line) <= width for line in lines if not line.startswith("letter:"))
    assert sum(line.startswith("slot") for line in lines) == 3


def test_nothing_started_is_said_so() -> None:
    assert render_timeline([]) == "No task has started."
    assert render_timeline(events((0, None, EventType.EXECUTION_CREATED, None))) == "No task has started."


def test_too_narrow_a_width_is_refused() -> None:
    with pytest.raises(InvalidOption, match="40 columns or more, but width=39"):
        render_timeline(WAITER_AND_WORKER, width=39)
