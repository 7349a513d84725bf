"""From a function with `@task` to what the package's manifest says of it, by the rules of the engine."""

from __future__ import annotations

import ast
import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from cloacina.errors import InvalidName, InvalidOption, InvalidTask, UndiscoverableTask
from cloacina.packaging.discovery.expressions import reason_of
from cloacina.packaging.discovery.values import (
    Collection,
    Constant,
    DeclaredTask,
    Function,
    Known,
    Retry,
    Unknown,
)
from cloacina.retry import seconds
from cloacina.task import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloacina.packaging.discovery.source import Place
    from cloacina.packaging.discovery.values import Value
    from cloacina.packaging.discovery.world import Reading

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_OPTIONS: Final = ("id", "dependencies", "retry", "timeout", "heartbeat_timeout", "on_cancel", "description")
_REPORTED: Final = Unknown(is_reported=True)


def read_function(reading: Reading, node: FunctionNode) -> Value:
    """Return what a function at the top level of a module is: a task, another function, or unknown."""
    ours: list[int] = []
    others: list[Value] = []
    is_unclear = False
    for position, decorator in enumerate(node.decorator_list):
        value = reading.expressions.callee(decorator)
        if value is not Known.TASK:
            value = reading.expressions.value(decorator)
        if value is Known.TASK:
            ours.append(position)
        elif isinstance(value, Unknown) and (value.is_reported or value.may_be_task):
            is_unclear = True
            if not value.is_reported:
                _report_unknown(reading, decorator, "whether this decorator is Cloacina's", value, "Write @task")
        elif ours:
            others.append(_product(reading, decorator, value))
    if is_unclear:
        return _REPORTED
    if not ours:
        return (
            Unknown(f"`{node.name}` is decorated")
            if node.decorator_list
            else Function(node.name, *_renaming(reading, node))
        )
    if len(ours) > 1:
        reading.report(node.decorator_list[ours[0]], InvalidTask, f"{node.name}() has @task twice. Remove one of them")
        return _REPORTED
    if ours[0] > 0:
        reading.report(
            node.decorator_list[0],
            UndiscoverableTask,
            f"this decorator stands above @task, so what `{node.name}` becomes is known only by running the code, and a"
            " wrapper would be left out when the task runs. Put @task above the other decorators",
        )
        return _REPORTED
    return _declare(reading, node, node.decorator_list[0], others) or _REPORTED


def read_class(reading: Reading, node: ast.ClassDef) -> None:
    """Refuse `@task` on a class."""
    for decorator in node.decorator_list:
        if reading.expressions.callee(decorator) is Known.TASK or reading.expressions.value(decorator) is Known.TASK:
            reading.report(decorator, InvalidTask, f"Task {node.name!r} is a class. Decorate a function")


def _declare(
    reading: Reading, node: FunctionNode, decorator: ast.expr, beneath: Sequence[Value]
) -> DeclaredTask | None:
    if not reading.is_certain(f"the task {node.name}()", decorator):
        return None
    problems = len(reading.world.problems)
    options = _options(reading, decorator)
    if options is None:
        return None
    id_, id_place = _id(reading, node, options.get("id"))
    dependencies = _dependencies(reading, options["dependencies"]) if "dependencies" in options else {}
    retries = _retries(reading, options["retry"]) if "retry" in options else 0
    timeout = _timeout(reading, options["timeout"]) if "timeout" in options else None
    description = _description(reading, node, options.get("description"))
    _check_name_is_kept(reading, node, beneath, options)
    if len(reading.world.problems) > problems:
        return None
    workflow = reading.world.open_workflows[-1] if reading.world.open_workflows else None
    task = DeclaredTask(
        id=id_,
        id_place=id_place,
        module=reading.module.name,
        name=node.name,
        dependencies=dependencies,
        description=description,
        retries=retries,
        timeout=timeout,
        place=reading.source.place(node),
        workflow=workflow,
    )
    reading.world.tasks.append(task)
    if workflow is not None:
        workflow.tasks.append(task)
    return task


def _options(reading: Reading, decorator: ast.expr) -> dict[str, ast.expr] | None:
    """Return the arguments of `@task(...)`; None after a problem that makes all of them doubtful."""
    if not isinstance(decorator, ast.Call):
        return {}
    if decorator.args:
        text = reading.source.snippet(decorator.args[0])
        reading.report(
            decorator.args[0],
            InvalidTask,
            f"@task was given {text} without a name. Arguments have names: @task(id='...')",
        )
        return None
    options: dict[str, ast.expr] = {}
    for keyword in decorator.keywords:
        if keyword.arg is None:
            reading.report(
                keyword.value,
                UndiscoverableTask,
                f"the arguments in **{reading.source.snippet(keyword.value)} are known only by running the code. Write"
                " them out: @task(id='...', dependencies=[...])",
            )
            return None
        if keyword.arg not in _OPTIONS:
            close = get_close_matches(keyword.arg, _OPTIONS, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"It takes {', '.join(_OPTIONS)}"
            reading.report(keyword.value, InvalidOption, f"@task has no argument {keyword.arg!r}. {hint}")
            return None
        options[keyword.arg] = keyword.value
    return options


def _id(reading: Reading, node: FunctionNode, given: ast.expr | None) -> tuple[str, Place]:
    value: Value = Constant(None) if given is None else reading.expressions.value(given)
    at = node if given is None else given
    if not isinstance(value, Constant):
        _report_unknown(reading, at, "the id of this task", value, f"Write it out: id='{node.name}'")
        return node.name, reading.source.place(at)
    name: Any = node.name if value.value is None else value.value
    try:
        check_name(name, "id of a task")
    except InvalidName as error:
        reading.report(at, InvalidName, error.message)
    return str(name), reading.source.place(at)


def _dependencies(reading: Reading, node: ast.expr) -> dict[str, Place]:
    found: dict[str, Place] = {}
    for value, part in task_references(reading, node, "dependencies", "Write them out: dependencies=['...', '...']"):
        match value:
            case Constant(value=str(name)):
                found.setdefault(name, reading.source.place(part))
            case DeclaredTask():
                found.setdefault(value.id, reading.source.place(part))
            case Function():
                reading.report(part, InvalidTask, f"{value.name}() is not a task. Put @task on it")
            case Unknown():
                mend = "Write the task's id, or the name of its function"
                _report_unknown(reading, part, "this dependency", value, mend)
            case _:
                text = reading.source.snippet(part)
                reading.report(part, InvalidOption, f"dependencies holds {text}. Expected ids or task functions")
    return found


def task_references(reading: Reading, node: ast.expr, what: str, mend: str) -> Iterator[tuple[Value, ast.expr]]:
    """Yield the items of a collection of tasks, each with the expression that it comes from.

    Args:
        reading: The module that is being read.
        node: The collection.
        what: What it is, for a message.
        mend: What to do when it is not known.
    """
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        for element in node.elts:
            if isinstance(element, ast.Starred):
                yield from task_references(reading, element.value, what, mend)
            else:
                yield reading.expressions.value(element), element
        return
    value = reading.expressions.value(node)
    if isinstance(value, Collection) and value.changed_at is None:
        value.rely_on(reading.source.place(node))
        for item in value.items:
            yield item, node
    elif isinstance(value, Unknown | Collection):
        _report_unknown(reading, node, what, value, mend)
    else:
        text = reading.source.snippet(node)
        reading.report(node, InvalidOption, f"{what} is {text}. Expected a list of ids or task functions")


def _retries(reading: Reading, node: ast.expr) -> int:
    match value := reading.expressions.value(node):
        case Retry():
            return value.attempts - 1
        case Constant(value=None):
            return 0
        case Unknown():
            _report_unknown(reading, node, "the retry policy", value, "Write it out: retry=RetryPolicy(attempts=3)")
        case _:
            text = reading.source.snippet(node)
            reading.report(
                node, InvalidOption, f"retry is {text}. Expected a RetryPolicy, such as RetryPolicy(attempts=3)"
            )
    return 0


def _timeout(reading: Reading, node: ast.expr) -> float | None:
    value = reading.expressions.value(node)
    if not isinstance(value, Constant):
        mend = "Write the seconds out: timeout=30, or timeout=timedelta(minutes=5)"
        _report_unknown(reading, node, "the timeout", value, mend)
        return None
    if value.value is None:
        return None
    given: Any = value.value
    try:
        duration = seconds(given, "timeout")
    except InvalidOption as error:
        reading.report(node, InvalidOption, error.message)
        return None
    if duration == 0.0:
        reading.report(
            node, InvalidOption, "timeout is 0, so the task could never run. Expected more than 0 seconds, or None"
        )
    return duration


def _description(reading: Reading, node: FunctionNode, given: ast.expr | None) -> str | None:
    value: Value = Constant(None) if given is None else reading.expressions.value(given)
    match value:
        case Constant(value=None):
            # As the engine does, with what `function.__doc__` holds.
            documentation = ast.get_docstring(node, clean=False)
            return (inspect.cleandoc(documentation).partition("\n")[0].strip() or None) if documentation else None
        case Constant(value=str(text)):
            return text
        case Constant():
            at = given or node
            reading.report(at, InvalidOption, f"description is {value.value!r}. Expected a text")
        case _:
            _report_unknown(reading, given or node, "the description", value, "Write the text out, or leave it away")
    return None


def _report_unknown(reading: Reading, node: ast.expr | ast.stmt, what: str, value: Value, mend: str) -> None:
    """Report what is not known, with the reason, unless a problem explains it already."""
    if isinstance(value, Unknown) and value.is_reported:
        return
    reason = reason_of(value)
    text = f" `{reading.source.snippet(node)}`," if isinstance(node, ast.expr) else ""
    because = f": {reason}" if reason else ""
    reading.report(node, UndiscoverableTask, f"{what},{text} is known only by running the code{because}. {mend}")


def _check_name_is_kept(
    reading: Reading, node: FunctionNode, beneath: Sequence[Value], options: dict[str, ast.expr]
) -> None:
    """Refuse to guess the id or the description of a function that a decorator of the project has renamed."""
    if "id" in options and "description" in options:
        return
    for value in beneath:
        if isinstance(value, Function) and value.renames_at is not None:
            reading.report(
                node,
                UndiscoverableTask,
                f"{value.name}() beneath @task returns the function of {value.renames_at}, which has a name and a"
                " docstring of its own. Put functools.wraps on that one, or give @task id= and description=",
            )
            return


def _product(reading: Reading, decorator: ast.expr, value: Value) -> Value:
    """Return the decorator that `@decorator(...)` calls made, as far as names go."""
    made_by = reading.expressions.callee(decorator)
    if isinstance(made_by, Function):
        return Function(made_by.name, made_by.product_renames_at, None)
    return value


def _renaming(reading: Reading, node: FunctionNode) -> tuple[Place | None, Place | None]:
    """Return where a decorator, or the decorator that a function makes, returns a function of another name."""
    inner = _returned_function(node)
    if inner is None:
        return None, None
    innermost = _returned_function(inner)
    return (
        _place_of_other_name(reading, node, inner),
        None if innermost is None else _place_of_other_name(reading, inner, innermost),
    )


def _returned_function(node: FunctionNode) -> FunctionNode | None:
    returned = {
        statement.value.id
        for statement in node.body
        if isinstance(statement, ast.Return) and isinstance(statement.value, ast.Name)
    }
    if not returned:
        return None
    functions = (each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return next((each for each in functions if each.name in returned), None)


def _place_of_other_name(reading: Reading, decorator: FunctionNode, inner: FunctionNode) -> Place | None:
    # Any sign that the name is taken over counts, so that only what certainly renames is refused.
    text = reading.source.text_of(decorator)
    is_kept = inner.decorator_list or any(sign in text for sign in ("wraps", "update_wrapper", "__name__"))
    return None if is_kept else reading.source.place(inner)
