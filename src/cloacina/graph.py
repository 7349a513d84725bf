"""The checked graph of a workflow's tasks: their order, who depends on whom, and who is whose ancestor."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cloacina.errors import DependencyCycle, DuplicateTask, EmptyWorkflow, UnknownDependency, join_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloacina.task import TaskDefinition

_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, eq=False)
class WorkflowGraph:
    """The tasks of a workflow in their declared topological order, by position.

    The order puts every task behind its dependencies, and among tasks that could come next, the one declared first.

    Attributes:
        tasks: The tasks in that order.
        index: The position of each task, by id.
        dependencies: For each position, the positions of the tasks that it depends on, ascending.
        dependents: For each position, the positions of the tasks that depend on it, ascending.
        ancestors: For each position, the tasks that it depends on directly or through others, as a bit mask: bit i
            stands for the task at position i.
        roots: The positions of the tasks that depend on nothing, ascending.
    """

    tasks: tuple[TaskDefinition, ...]
    index: Mapping[str, int] = field(repr=False)
    dependencies: tuple[tuple[int, ...], ...] = field(repr=False)
    dependents: tuple[tuple[int, ...], ...] = field(repr=False)
    ancestors: tuple[int, ...] = field(repr=False)
    roots: tuple[int, ...] = field(repr=False)


def build_graph(workflow: str, declared: Sequence[TaskDefinition]) -> WorkflowGraph:
    """Check the tasks of a workflow and bring them in order.

    Args:
        workflow: The workflow's name, for error messages.
        declared: Its tasks in the order of their declaration.

    Raises:
        EmptyWorkflow: There is no task.
        DuplicateTask: Two tasks have the same id.
        UnknownDependency: A task depends on one that is not there.
        DependencyCycle: Tasks depend on each other in a circle.
    """
    if not declared:
        raise EmptyWorkflow(
            f"Workflow {workflow!r} has no task. Declare @task functions inside of its `with` block, or pass them:"
            " Workflow(name, tasks=[...])"
        )
    places = _places(workflow, declared)
    needs = [_needs(workflow, definition, places) for definition in declared]
    order = _topological_order(needs)
    if len(order) < len(declared):
        raise _cycle(workflow, declared, needs, set(order))
    position = {place: at for at, place in enumerate(order)}
    dependencies = tuple(tuple(sorted(position[need] for need in needs[place])) for place in order)
    dependents: list[list[int]] = [[] for _ in order]
    ancestors: list[int] = []
    for at, direct in enumerate(dependencies):
        mask = 0
        for dependency in direct:
            dependents[dependency].append(at)
            mask |= ancestors[dependency] | 1 << dependency
        ancestors.append(mask)
    tasks = tuple(declared[place] for place in order)
    return WorkflowGraph(
        tasks=tasks,
        index={definition.id: at for at, definition in enumerate(tasks)},
        dependencies=dependencies,
        dependents=tuple(map(tuple, dependents)),
        ancestors=tuple(ancestors),
        roots=tuple(at for at, direct in enumerate(dependencies) if not direct),
    )


def _places(workflow: str, declared: Sequence[TaskDefinition]) -> dict[str, int]:
    places: dict[str, int] = {}
    for place, definition in enumerate(declared):
        if definition.id in places:
            raise DuplicateTask(
                f"Workflow {workflow!r} has two tasks with the id {definition.id!r}. Give one of them another:"
                " @task(id='...')"
            )
        places[definition.id] = place
    return places


def _needs(workflow: str, definition: TaskDefinition, places: Mapping[str, int]) -> list[int]:
    needs: list[int] = []
    for dependency in definition.dependencies:
        place = places.get(dependency)
        if place is None:
            raise UnknownDependency(
                f"Task {definition.id!r} of workflow {workflow!r} depends on {dependency!r}, which the workflow does"
                f" not hold.{_hint(dependency, list(places))}"
            )
        needs.append(place)
    return needs


def _hint(unknown: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only needed for this message.

    close = get_close_matches(unknown, known, n=1)
    if close:
        return f" Did you mean {close[0]!r}?"
    shown = known[:_SHOWN]
    return f" Its tasks are {join_names(shown)}{' and more' if len(known) > len(shown) else ''}"


def _topological_order(needs: Sequence[Sequence[int]]) -> list[int]:
    """Return the places that can be ordered; those in a cycle, or behind one, are left out."""
    open_needs = [len(places) for places in needs]
    needed_by: list[list[int]] = [[] for _ in needs]
    for place, places in enumerate(needs):
        for need in places:
            needed_by[need].append(place)
    ready = [place for place, count in enumerate(open_needs) if not count]
    order: list[int] = []
    while ready:
        place = heapq.heappop(ready)
        order.append(place)
        for dependent in needed_by[place]:
            open_needs[dependent] -= 1
            if not open_needs[dependent]:
                heapq.heappush(ready, dependent)
    return order


def _cycle(
    workflow: str, declared: Sequence[TaskDefinition], needs: Sequence[Sequence[int]], ordered: set[int]
) -> DependencyCycle:
    # Every task left over depends on one that is left over too, so following those must come back to itself.
    place = next(place for place in range(len(declared)) if place not in ordered)
    walked: dict[int, None] = {}
    while place not in walked:
        walked[place] = None
        place = next(need for need in needs[place] if need not in ordered)
    path = list(walked)
    circle = path[path.index(place) :]
    first = circle.index(min(circle))
    circle = [*circle[first:], *circle[:first]]
    shown = " -> ".join(declared[place].id for place in [*circle, circle[0]])
    return DependencyCycle(
        f"Workflow {workflow!r} has tasks that depend on each other in a circle: {shown} (each depends on the next)."
        " Remove one of these dependencies"
    )
