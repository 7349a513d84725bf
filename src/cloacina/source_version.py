"""A hash of what a task does: of its syntax tree, without docstrings, comments and layout.

It answers one question: is this the code that an earlier run was started with? It sees the task's own function, not
what that calls. Options of `@task` that do not change what the task does, such as its timeout, do not count.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, cast

from cloacina.task import task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cloacina.task import TaskDefinition

_LENGTH: Final = 16
_IGNORED_FIELDS: Final = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


def task_version(definition: TaskDefinition) -> str:
    """Return the version of a task: a hash of its function's syntax tree, or of its bytecode if there is no source."""
    return _hash(_fingerprint(definition.function, {}))


def workflow_version(tasks: Sequence[TaskDefinition]) -> str:
    """Return the version of a workflow: a hash of its tasks' ids, dependencies and versions, in their order."""
    # Tasks made in a loop share their code; each code is read once.
    known: dict[int, str] = {}
    return _hash(
        "\n".join(f"{each.id}\t{','.join(each.dependencies)}\t{_fingerprint(each.function, known)}" for each in tasks)
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_LENGTH]


def _fingerprint(function: Callable[..., Any], known: dict[int, str]) -> str:
    function = _function_behind(function)
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', type(function).__qualname__)}"
    if id(code) not in known:
        tree = _syntax_tree(function)
        known[id(code)] = _hash("".join(_dump(tree) if tree else _dump_code(code, function.__doc__)))
    return known[id(code)]


def _function_behind(function: Callable[..., Any]) -> Callable[..., Any]:
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = inspect.unwrap(function)
        elif inspect.isroutine(function) or isinstance(function, type):
            return function
        else:
            function = type(function).__call__


def _syntax_tree(function: Callable[..., Any]) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    try:
        source = inspect.getsource(function)
        # An indented function is put under an `if` instead of dedented, which would change its multi-line strings.
        tree = ast.parse(f"if True:\n{source}" if source[:1].isspace() else source)
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    statement = tree.body[0] if len(tree.body) == 1 else None
    if isinstance(statement, ast.If) and len(statement.body) == 1:
        statement = statement.body[0]
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name == function.__name__:
        namespace: dict[str, object] = getattr(function, "__globals__", {})
        decorators = statement.decorator_list
        statement.decorator_list = [each for each in decorators if not _is_task_decorator(each, namespace)]
        return statement
    return None  # A lambda, or a file that has changed since it was imported.


def _is_task_decorator(decorator: ast.expr, namespace: dict[str, object]) -> bool:
    match decorator.func if isinstance(decorator, ast.Call) else decorator:
        case ast.Name(id=name):
            return name == "task" or namespace.get(name) is task
        case ast.Attribute(attr=name):
            return name == "task"
        case _:
            return False


def _dump(node: object) -> Iterator[str]:
    """Yield a text of a syntax tree that is the same in every version of Python.

    `ast.dump` is not: versions differ in which empty fields they show.
    """
    if isinstance(node, ast.AST):
        yield type(node).__name__
        yield "("
        for name in node._fields:
            value = getattr(node, name, None)
            if name == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                value = _without_docstring(cast("list[ast.stmt]", value))
            if value is None and not isinstance(node, ast.Constant):
                continue
            if value == [] or name in _IGNORED_FIELDS:
                continue
            yield f"{name}="
            yield from _dump(value)
            yield ","
        yield ")"
    elif isinstance(node, list):
        yield "["
        for item in cast("list[object]", node):
            yield from _dump(item)
            yield ","
        yield "]"
    else:
        yield repr(node)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
        case _:
            return body


def _dump_code(code: CodeType, documentation: str | None) -> Iterator[str]:
    """Yield a text of a code object that holds no addresses and no line numbers."""
    yield code.co_name
    yield code.co_code.hex()
    yield repr((code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags))
    yield repr((code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars))
    for place, constant in enumerate(code.co_consts):
        if isinstance(constant, CodeType):
            yield from _dump_code(constant, None)
        elif place or constant != documentation:
            yield _constant(constant)


def _constant(value: object) -> str:
    """Return a text of a constant; the order of a set differs from run to run."""
    if isinstance(value, tuple):
        return f"({','.join(map(_constant, cast('tuple[object, ...]', value)))})"
    if isinstance(value, frozenset):
        return f"{{{','.join(sorted(map(_constant, cast('frozenset[object]', value))))}}}"
    return repr(value)
