"""A hash of what a task does: of its syntax tree, without docstrings, comments and layout.

It answers one question: is this the code that an earlier run was started with? It sees the task's own function, and the
values that it is bound to, but not what it calls. Options of `@task` that do not change what the task does, such as its
timeout, do not count.

The tree is that of the code that runs: what it compiles to is compared with the function's own code. Where the source
is not known, or has become another one, the bytecode is hashed.
"""

from __future__ import annotations

import ast
import hashlib
from types import CellType, CodeType
from typing import TYPE_CHECKING, Any, Final, cast

from cloacina.source_snapshot import SourceSnapshot, lines_of_file, look_again, qualified_name
from cloacina.source_tree import code_text, constant_text, function_tree
from cloacina.task import task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloacina.source_snapshot import Bound
    from cloacina.task import TaskDefinition

_LENGTH: Final = 16
_IGNORED_FIELDS: Final = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


def task_version(definition: TaskDefinition, known: dict[int, str] | None = None) -> str:
    """Return the version of a task: a hash of its function's syntax tree, or of its bytecode if there is no source.

    Args:
        definition: The task.
        known: The hashes of codes that have been read; those that are read now are added.
    """
    return _hash(_fingerprint(definition.snapshot, {} if known is None else known))


def workflow_version(tasks: Sequence[TaskDefinition], known: dict[int, str] | None = None) -> str:
    """Return the version of a workflow: a hash of its tasks' ids, dependencies and versions, in their order.

    Args:
        tasks: Its tasks.
        known: The hashes of codes that have been read; those that are read now are added.
    """
    # Tasks made in a loop share their code; each code is read once.
    known = {} if known is None else known
    return _hash(
        "\n".join(f"{each.id}\t{','.join(each.dependencies)}\t{_fingerprint(each.snapshot, known)}" for each in tasks)
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_LENGTH]


def _fingerprint(snapshot: SourceSnapshot, known: dict[int, str]) -> str:
    bound = "".join([_bound_text(part, snapshot, known) for part in snapshot.bound])
    code = snapshot.code
    if code is None:
        return f"{qualified_name(snapshot.function)}{bound}"
    if id(code) not in known:
        known[id(code)] = _code_hash(snapshot, code)
    return f"{known[id(code)]}{bound}"


def _bound_text(part: Bound, snapshot: SourceSnapshot, known: dict[int, str]) -> str:
    if isinstance(part, CellType):
        return "".join([_bound_text(each, snapshot, known) for each in look_again(part, snapshot)])
    return _fingerprint(part, known) if isinstance(part, SourceSnapshot) else part


def _code_hash(snapshot: SourceSnapshot, code: CodeType) -> str:
    for text_of in (_text_of_tree, _text_of_bytecode):
        try:
            text = text_of(snapshot, code)
        except Exception:  # noqa: BLE001, S112 - whatever the code is made of, there is a version.
            continue
        if text is not None:
            return _hash(text)
    return qualified_name(snapshot.function)


def _text_of_tree(snapshot: SourceSnapshot, code: CodeType) -> str | None:
    namespace: dict[str, Any] = getattr(snapshot.function, "__globals__", {})
    function = function_tree(code, snapshot.lines or lines_of_file(code.co_filename, namespace))
    if function is None:
        return None
    decorators = function.decorator_list
    function.decorator_list = [each for each in decorators if not _is_task_decorator(each, namespace)]
    return _dump(function)


def _text_of_bytecode(snapshot: SourceSnapshot, code: CodeType) -> str | None:
    return "".join(code_text(code, snapshot.function.__doc__))


def _is_task_decorator(decorator: ast.expr, namespace: dict[str, object]) -> bool:
    match decorator.func if isinstance(decorator, ast.Call) else decorator:
        case ast.Name(id=name):
            return name == "task" or namespace.get(name) is task
        case ast.Attribute(attr=name):
            return name == "task"
        case _:
            return False


def _dump(tree: ast.AST) -> str:
    """Return a text of a syntax tree that is the same in every version of Python.

    `ast.dump` is not: versions differ in which empty fields they show. And it fails for a sum of a thousand terms.
    """
    texts: list[str] = []
    pending: list[object] = [tree]  # A text stands for itself.
    while pending:
        node = pending.pop()
        if isinstance(node, str):
            texts.append(node)
        elif isinstance(node, ast.AST):
            texts.append(f"{type(node).__name__}(")
            pending.append(")")
            for name in reversed(node._fields):
                value = getattr(node, name, None)
                if name == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    value = _without_docstring(cast("list[ast.stmt]", value))
                if value is None and not isinstance(node, ast.Constant):
                    continue
                if value == [] or name in _IGNORED_FIELDS:
                    continue
                pending += (",", value if isinstance(value, ast.AST | list) else constant_text(value), f"{name}=")
        else:
            texts.append("[")
            pending.append("]")
            for item in reversed(cast("list[object]", node)):
                pending += (",", item if isinstance(item, ast.AST) else constant_text(item))
    return "".join(texts)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
        case _:
            return body
