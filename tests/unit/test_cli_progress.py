"""Progress is read from events, and drawn so that it fits the terminal."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from cloacina.cli.progress_lines import LineProgress
from cloacina.cli.progress_state import ExecutionProgress, TaskState
from cloacina.cli.progress_table import TableProgress
from cloacina.store.records import EventRecord, EventType

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class History:
    """Events of one execution, in order, at seconds since its beginning."""

    def __init__(self) -> None:
        self.events: list[EventRecord] = []

    def add(
        self, seconds: float, kind: EventType, task: str | None = None, *, attempt: int = 1, **detail: object
    ) -> None:
        at = BEGIN + timedelta(seconds=seconds)
        number = len(self.events) + 1
        self.events.append(EventRecord("x", number, task, task, kind, at, attempt, 0, detail or None))


@pytest.fixture
def history() -> History:
    """A task that waits from 1 to 3, queues until 4 and ends at 5; another that fails once; a third never starts."""
    story = History()
    story.add(0, EventType.EXECUTION_CREATED)
    story.add(0, EventType.TASK_STARTED, "wait")
    story.add(1, EventType.TASK_DEFERRED, "wait")
    story.add(1, EventType.TASK_STARTED, "flaky")
    story.add(2, EventType.TASK_RETRYING, "flaky", delay=0.5, error="ConnectionError: no route")
    story.add(2.5, EventType.TASK_STARTED, "flaky", attempt=2)
    story.add(3, EventType.TASK_RESUMING, "wait")
    story.add(4, EventType.TASK_RESUMED, "wait")
    story.add(4, EventType.TASK_FAILED, "flaky", attempt=2)
    story.add(4, EventType.TASK_SKIPPED, "last", because="flaky")
    story.add(5, EventType.TASK_COMPLETED, "wait")
    return story


def progress_of(history: History, *, events: int | None = None) -> ExecutionProgress:
    progress = ExecutionProgress({"wait": True, "flaky": True, "last": False})
    progress.apply(history.events[:events])
    return progress


def test_tasks_without_dependencies_are_ready_from_the_beginning(history: History) -> None:
    states = [task.state for task in progress_of(history, events=0).tasks.values()]
    assert states == [TaskState.READY, TaskState.READY, TaskState.PENDING]


def test_time_in_a_slot_and_time_without_one_are_counted_apart(history: History) -> None:
    progress = progress_of(history)
    assert progress.tasks["wait"].times(BEGIN + timedelta(seconds=60)) == (2.0, 3.0)
    assert progress.tasks["flaky"].times(BEGIN + timedelta(seconds=60)) == (2.5, 0.0)
    assert progress.tasks["last"].times(BEGIN + timedelta(seconds=60)) == (0.0, 0.0)
    assert progress.last_event == len(history.events)


def test_running_times_go_on(history: History) -> None:
    progress = progress_of(history, events=4)
    assert progress.tasks["wait"].times(BEGIN + timedelta(seconds=2)) == (1.0, 1.0)
    assert progress.tasks["flaky"].times(BEGIN + timedelta(seconds=2)) == (1.0, 0.0)


def test_no_time_is_negative_when_the_clock_was_set_back(history: History) -> None:
    for event in history.events[2:]:
        object.__setattr__(event, "at", event.at - timedelta(hours=1))
    progress = ExecutionProgress({"wait": True, "flaky": True, "last": False})
    changes = progress.apply(history.events)
    assert {change.at for change in changes} == {BEGIN}
    assert {(task.held, task.waited) for task in progress.tasks.values()} == {(0, 0)}


def test_each_change_of_state_is_one_line(history: History) -> None:
    stream = io.StringIO()
    progress = ExecutionProgress({"wait": True, "flaky": True, "last": False})
    with LineProgress(progress, stream) as view:
        view.update(progress.apply(history.events))
    assert stream.getvalue().splitlines() == [
        "    0.000 s  wait   Active",
        "    1.000 s  wait   Deferred",
        "    1.000 s  flaky  Active",
        "    2.000 s  flaky  retrying (ConnectionError: no route; again in 0.5 s)",
        "    2.500 s  flaky  Active (attempt 2)",
        "    3.000 s  wait   resuming",
        "    4.000 s  wait   Active",
        "    4.000 s  flaky  Failed",
        "    4.000 s  last   Skipped ('flaky' did not complete)",
        "    5.000 s  wait   Completed",
    ]


def drawn(progress: ExecutionProgress, *, width: int = 80, height: int = 24, encoding: str = "utf-8") -> list[str]:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=stream, width=width, height=height, force_terminal=True, color_system=None)
    console.print(TableProgress("report", progress, 4, console))
    stream.seek(0)
    return [line.rstrip() for line in stream.read().splitlines()]


def test_table_shows_state_and_both_times(history: History) -> None:
    lines = drawn(progress_of(history))
    assert lines[0].startswith("report  3/3 done  0/4 slots  ")
    assert lines[2].split() == ["✓", "wait", "Completed", "2.0", "s", "3.0", "s"]
    assert lines[3].split() == ["✗", "flaky", "(attempt", "2)", "Failed", "2.5", "s"]
    assert lines[4].split() == ["-", "last", "Skipped"]


@pytest.mark.parametrize("width", [30, 45, 59, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal_and_states_stay_whole(width: int) -> None:
    history = History()
    name = "wait_for_something_with_a_name_that_is_longer_than_any_terminal_ought_to_have_to_show"
    history.add(0, EventType.TASK_STARTED, name)
    history.add(1, EventType.TASK_COMPLETED, name)
    progress = ExecutionProgress({name: True, "größe": True})
    progress.apply(history.events)
    lines = drawn(progress, width=width)
    assert max(len(line) for line in lines) <= width
    assert sum("Completed" in line for line in lines) == 1
    assert any("größe" in line for line in lines)


def test_low_terminal_shows_what_runs_and_counts_the_rest() -> None:
    history = History()
    for index in range(30):
        history.add(index, EventType.TASK_STARTED, f"task_{index}")
    for index in range(25):
        history.add(30 + index, EventType.TASK_COMPLETED, f"task_{index}")
    progress = ExecutionProgress({f"task_{index}": True for index in range(40)})
    progress.apply(history.events)
    lines = drawn(progress, height=14)
    assert len(lines) <= 14
    shown = [line.split()[1] for line in lines if line[:1] in "✓●"]
    assert {f"task_{index}" for index in range(25, 30)} <= set(shown)
    assert lines[-1].strip() == "and 30 more: 5 Ready, 25 Completed"


def test_terminal_without_unicode_gets_plain_symbols(history: History) -> None:
    lines = drawn(progress_of(history), encoding="ascii")
    assert [line[0] for line in lines[2:5]] == ["+", "x", "-"]
