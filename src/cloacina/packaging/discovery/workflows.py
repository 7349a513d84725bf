"""From `Workflow(...)` to what is known of it: its name, and the tasks that are passed to it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from cloacina.errors import DefinitionError, InvalidName, InvalidOption, InvalidTask, UndiscoverableTask
from cloacina.packaging.discovery.expressions import reason_of
from cloacina.packaging.discovery.tasks import task_references
from cloacina.packaging.discovery.values import (
    Constant,
    DeclaredTask,
    DeclaredWorkflow,
    Function,
    Known,
    Unknown,
)
from cloacina.task import check_name

if TYPE_CHECKING:
    from cloacina.packaging.discovery.values import Value
    from cloacina.packaging.discovery.world import Reading


def value_of_statement(reading: Reading, node: ast.expr) -> Value:
    """Return what an expression is that makes up a statement, where a `Workflow(...)` may stand."""
    if isinstance(node, ast.Call) and reading.expressions.callee(node) is Known.WORKFLOW:
        return _make(reading, node)
    return reading.expressions.value(node)


def enter(reading: Reading, node: ast.expr, workflow: DeclaredWorkflow) -> None:
    """Note that the `with` block of a workflow begins."""
    if workflow.is_complete:
        reading.report(
            node,
            DefinitionError,
            f"Workflow {workflow.name!r} has its tasks already, so it cannot collect more in a `with` block. Declare"
            " all tasks in one block",
        )
    workflow.is_complete = True
    reading.world.open_workflows.append(workflow)


def _make(reading: Reading, node: ast.Call) -> Value:
    arguments = {keyword.arg: keyword.value for keyword in node.keywords}
    if None in arguments or any(isinstance(argument, ast.Starred) for argument in node.args):
        reading.report(
            node,
            UndiscoverableTask,
            "the arguments of this Workflow are known only by running the code. Write them out: Workflow('name')",
        )
        return Unknown(is_reported=True)
    given = arguments.pop("name", node.args[0] if node.args else None)
    if given is None or len(node.args) > 1:
        reading.report(
            node, InvalidOption, "a Workflow takes one argument without a name, its own: Workflow('name', tasks=[...])"
        )
        return Unknown(is_reported=True)
    name = _name(reading, given)
    if name is None or not reading.is_certain(f"Workflow {name!r}", node):
        return Unknown(is_reported=True)
    workflow = DeclaredWorkflow(name, reading.source.place(node))
    reading.world.workflows.append(workflow)
    for keyword, argument in arguments.items():
        if keyword != "tasks":
            reading.expressions.value(argument)
        elif not (isinstance(argument, ast.Constant) and argument.value is None):
            workflow.is_complete = True
            _collect(reading, workflow, argument)
    return workflow


def _name(reading: Reading, node: ast.expr) -> str | None:
    value = reading.expressions.value(node)
    if isinstance(value, Constant):
        name: Any = value.value
        try:
            return check_name(name, "name of a workflow")
        except InvalidName as error:
            reading.report(node, InvalidName, error.message)
            return None
    if not (isinstance(value, Unknown) and value.is_reported):
        because = f": {reason}" if (reason := reason_of(value)) else ""
        reading.report(
            node,
            UndiscoverableTask,
            f"the workflow's name, `{reading.source.snippet(node)}`, is known only by running the code{because}. Write"
            " it out: Workflow('name')",
        )
    return None


def _collect(reading: Reading, workflow: DeclaredWorkflow, node: ast.expr) -> None:
    for value, part in task_references(reading, node, "tasks", "Write them out: tasks=[first, second]"):
        text = reading.source.snippet(part)
        match value:
            case DeclaredTask():
                workflow.tasks.append(value)
            case Function():
                reading.report(part, InvalidTask, f"{value.name}() is not a task. Put @task on it")
            case Unknown(is_reported=True):
                pass
            case Unknown():
                because = f": {value.reason}" if value.reason else ""
                reading.report(
                    part,
                    UndiscoverableTask,
                    f"which task `{text}` is, is known only by running the code{because}. Write the names of functions"
                    " with @task",
                )
            case _:
                reading.report(part, InvalidTask, f"{text} is not a task. Expected the names of functions with @task")
