"""Which of the tasks found are the package's, and whether they make a graph: the engine's rules, with places."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from cloacina.errors import (
    DependencyCycle,
    DuplicateTask,
    EmptyWorkflow,
    NoTasksFound,
    UndiscoverableTask,
    UnknownDependency,
    join_names,
)
from cloacina.packaging.discovery.values import DeclaredTask

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloacina.packaging.discovery.module_files import ModuleFiles
    from cloacina.packaging.discovery.world import World

_SHOWN: Final = 10


def select_tasks(world: World, files: ModuleFiles, entry_module: str) -> tuple[Sequence[DeclaredTask], str | None]:
    """Return the tasks of the package, and the name of its workflow if it has one.

    Args:
        world: What the modules have declared.
        files: The modules of the project, also those that were not read.
        entry_module: The module that was begun with.

    Raises:
        CloacinaError: What is wrong, in one error of the class that fits the first problem.
    """
    world.problems.raise_all()
    if not world.workflows:
        if not world.tasks:
            raise NoTasksFound(_nothing_found(world, files, entry_module))
        return _checked(world, world.tasks), None
    workflow, *others = world.workflows
    for other in others:
        world.problems.add(
            other.place,
            UndiscoverableTask,
            f"{other.name!r} is a second Workflow, besides {workflow.name!r} at {workflow.place}. A package is one"
            " workflow: move the other into a project of its own",
        )
    collected = {id(task) for each in world.workflows for task in each.tasks}
    for task in world.tasks:
        if id(task) not in collected:
            world.problems.add(
                task.place,
                UndiscoverableTask,
                f"the task {task.id!r} is outside of the Workflow {workflow.name!r} at {workflow.place}, and a package"
                " is one workflow. Declare it in the `with` block, pass it in tasks=[...], or remove the Workflow",
            )
    if not workflow.tasks:
        world.problems.add(
            workflow.place,
            EmptyWorkflow,
            f"Workflow {workflow.name!r} has no task. Declare @task functions inside of its `with` block, or pass them:"
            " Workflow(name, tasks=[...])",
        )
    world.problems.raise_all()
    return _checked(world, workflow.tasks), workflow.name


def _checked(world: World, tasks: Sequence[DeclaredTask]) -> Sequence[DeclaredTask]:
    by_id: dict[str, DeclaredTask] = {}
    for task in tasks:
        first = by_id.get(task.id)
        if first is None:
            by_id[task.id] = task
        elif first is task:
            message = f"the task {task.id!r} is passed to its Workflow twice. Leave one of the two out of tasks=[...]"
            world.problems.add(world.workflows[0].place, DuplicateTask, message)
        else:
            world.problems.add(
                task.id_place,
                DuplicateTask,
                f"there is a task with the id {task.id!r} already, at {first.id_place}. Give one of them another:"
                " @task(id='...')",
            )
    world.problems.raise_all()
    for task in tasks:
        _check_is_reachable(world, task)
        for dependency, place in task.dependencies.items():
            if dependency not in by_id:
                message = f"task {task.id!r} depends on {dependency!r}, which no task has as its id."
                world.problems.add(place, UnknownDependency, message + _hint(dependency, by_id))
    world.problems.raise_all()
    _check_order(world, tasks, by_id)
    world.problems.raise_all()
    return tasks


def _check_is_reachable(world: World, task: DeclaredTask) -> None:
    """Check that a worker finds the function under its name when the module is imported."""
    other = world.modules[task.module].names.get(task.name)
    if other is not task:
        where = f", to the task at {other.place}" if isinstance(other, DeclaredTask) else ""
        world.problems.add(
            task.place,
            UndiscoverableTask,
            f"the name `{task.name}` of {task.module} is bound again after this task is declared{where}, so a worker"
            " would not find the task under it. Give one of the two another name",
        )


def _hint(unknown: str, by_id: Mapping[str, DeclaredTask]) -> str:
    for task in by_id.values():
        if task.name == unknown:
            return f" The id of {unknown}() is {task.id!r}"
    close = get_close_matches(unknown, by_id, n=1)
    if close:
        return f" Did you mean {close[0]!r}?"
    shown = list(by_id)[:_SHOWN]
    return f" The ids are {join_names(shown)}{' and more' if len(by_id) > len(shown) else ''}"


def _check_order(world: World, tasks: Sequence[DeclaredTask], by_id: Mapping[str, DeclaredTask]) -> None:
    """Report a circle of dependencies, if there is one."""
    left = dict(by_id)
    open_needs = {task.id: len(task.dependencies) for task in tasks}
    needed_by: dict[str, list[str]] = {task.id: [] for task in tasks}
    for task in tasks:
        for dependency in task.dependencies:
            needed_by[dependency].append(task.id)
    ready = [name for name, count in open_needs.items() if not count]
    while ready:
        done = ready.pop()
        del left[done]
        for dependent in needed_by[done]:
            open_needs[dependent] -= 1
            if not open_needs[dependent]:
                ready.append(dependent)
    if not left:
        return
    # Every task left over depends on one that is left over too, so following those comes back to where it was.
    walked: dict[str, None] = {}
    name = next(iter(left))
    while name not in walked:
        walked[name] = None
        name = next(need for need in left[name].dependencies if need in left)
    circle = list(walked)[list(walked).index(name) :]
    first = min(range(len(circle)), key=lambda at: list(by_id).index(circle[at]))
    circle = [*circle[first:], *circle[:first]]
    shown = " -> ".join([*circle, circle[0]])
    world.problems.add(
        by_id[circle[0]].dependencies[circle[1] if len(circle) > 1 else circle[0]],
        DependencyCycle,
        f"tasks depend on each other in a circle: {shown} (each depends on the next). Remove one of these dependencies",
    )


def _nothing_found(world: World, files: ModuleFiles, entry_module: str) -> str:
    others = sum(module.is_read for module in world.modules.values()) - 1
    read = entry_module
    if others > 0:
        read += ", nor in the other module" if others == 1 else f", nor in the {others} other modules"
        read += " that is read with it" if others == 1 else " that are read with it"
    near = files.first_with(b"cloacina", entry_module.partition(".")[0], world.modules)
    hint = f"import {near}, which uses cloacina and is not read," if near else "import its module"
    return (
        f"there is no function with @task in {read}. Put @task on a function, {hint} from {entry_module}, or correct"
        " entry_module"
    )
