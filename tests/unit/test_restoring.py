"""An execution as it was left, made into what goes on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloacina import Context, Workflow, task
from cloacina.execution.task_execution import SharedByTasks
from cloacina.scheduling.merging import ContextMerger
from cloacina.scheduling.restoring import encoded, restore
from cloacina.store.claims import StoredExecution, StoredTask
from cloacina.store.records import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping


@task
def first(context: Context) -> None:
    """Only the graph counts."""


@task(dependencies=[first])
def second(context: Context) -> None:
    """As above."""


@task(dependencies=[second])
def third(context: Context) -> None:
    """As above."""


@task(dependencies=[first, third])
def last(context: Context) -> None:
    """As above."""


NULLABLE = ("sub_status", "started_at", "finished_at", "error", "due_at", "source_version", "heartbeat_at", "heartbeat")
WORKFLOW = Workflow("w", tasks=[first, second, third, last])


def left(statuses: Mapping[str, str], changes: Mapping[str, str], events: int = 9) -> StoredExecution:
    tasks = [
        StoredTask(
            id=f"id-{name}",
            execution_id="id",
            task_id=name,
            status=status,
            attempt=1,
            changes=changes.get(name),
            recoveries=0,
            **dict.fromkeys(NULLABLE),
        )
        for name, status in statuses.items()
    ]
    return StoredExecution("id", "w", "1", "Running", '{"a":0,"b":0}', 1.0, None, None, tasks, {}, {}, [], events)


def test_what_tasks_wrote_is_seen_by_all_that_come_after_them_and_events_count_on() -> None:
    statuses = {"first": "Completed", "second": "Completed", "third": "Running", "last": "Pending"}
    changes = {"first": '{"set":{"a":1,"b":1}}', "second": '{"delete":["b"],"set":{"c":2}}'}
    stored = left(statuses, changes)
    merger, shared = ContextMerger(WORKFLOW), SharedByTasks(stored.events)

    restored = restore(stored, WORKFLOW, merger, shared)

    seen = restored.states[2]
    assert seen is not None
    values, conflicts = merger.resolve(encoded(stored.context), seen)
    assert dict(values) == {"a": "1", "c": "2"}
    assert not conflicts
    assert restored.missing == {1: 0, 2: 0, 3: 1}
    assert (restored.failure, restored.changes) == (None, [])
    assert next(shared.event_numbers) == stored.events + 1
    assert next(SharedByTasks().event_numbers) == 1


def test_task_that_is_gone_fails_the_execution_only_if_it_had_completed_and_a_new_one_waits() -> None:
    statuses = {"first": "Completed", "third": "Running", "last": "Pending", "old": "Completed"}

    gone = restore(left(statuses, {}), WORKFLOW, ContextMerger(WORKFLOW), SharedByTasks())
    without = restore(left({**statuses, "old": "Pending"}, {}), WORKFLOW, ContextMerger(WORKFLOW), SharedByTasks())

    assert "'old' has completed" in str(gone.failure)
    assert without.failure is None
    assert [each.status for each in without.tasks][1] is TaskStatus.PENDING
    assert len(without.changes) == 1
