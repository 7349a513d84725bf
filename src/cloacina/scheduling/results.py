"""What an execution came to, made from what the run holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloacina.execution.task_execution import TaskExecution
    from cloacina.store.records import TaskRecord
    from cloacina.workflow import WorkflowGraph


class TaskRecords(Mapping[str, "TaskRecord"]):
    """The records of an execution's tasks by id, in topological order, each made when it is asked for.

    Few look at them, and a workflow may have thousands of tasks.

    Args:
        graph: The workflow's.
        tasks: The task executions, by position.
    """

    __slots__ = ("_graph", "_tasks")

    def __init__(self, graph: WorkflowGraph, tasks: Sequence[TaskExecution]) -> None:
        self._graph = graph
        self._tasks = tasks

    def __getitem__(self, task_id: str) -> TaskRecord:
        return self._tasks[self._graph.index[task_id]].record()

    def __iter__(self) -> Iterator[str]:
        return (task.definition.id for task in self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[Any, ...]:
        # As plain data: functions need not be picklable for a result to be.
        return dict, (dict(self),)
