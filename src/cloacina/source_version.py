"""A hash of what a task does: of its syntax tree, without docstrings, comments and layout.

It answers one question: is this the code that an earlier run was started with? It sees the task's own function, and the
values that it is bound to, but not what it calls. Options of `@task` that do not change what the task does, such as its
timeout, do not count.

The tree is that of the code that runs: what it compiles to is compared with the function's own code. Where the source
is not known, or has become another one, the bytecode is hashed.
"""

from __future__ import annotations
import __future__

import ast
import hashlib
import inspect
from types import CellType, CodeType
from typing import TYPE_CHECKING, Any, Final, cast

from cloacina.source_snapshot import SourceSnapshot, integer_text, lines_of_file, look_again, qualified_name
from cloacina.task import task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloacina.source_snapshot import Bound
    from cloacina.task import TaskDefinition

_LENGTH: Final = 16
_IGNORED_FIELDS: Final = frozenset({"ctx", "kind", "type_comment", "type_ignores"})
_MOST_BLOCKS: Final = 50
_OUTER: Final = "outer_of_"


def task_version(definition: TaskDefinition) -> str:
    """Return the version of a task: a hash of its function's syntax tree, or of its bytecode if there is no source."""
    return _hash(_fingerprint(definition.snapshot, {}))


def workflow_version(tasks: Sequence[TaskDefinition]) -> str:
    """Return the version of a workflow: a hash of its tasks' ids, dependencies and versions, in their order."""
    # Tasks made in a loop share their code; each code is read once.
    known: dict[int, str] = {}
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
    tree = _syntax_tree(snapshot, code)
    return None if tree is None else _dump(tree)


def _text_of_bytecode(snapshot: SourceSnapshot, code: CodeType) -> str | None:
    return "".join(_dump_code(code, snapshot.function.__doc__))


# ── From the lines of a file to a syntax tree ────────────────────────────────────────────────────────────────────────


def _syntax_tree(snapshot: SourceSnapshot, code: CodeType) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """Return the syntax tree of a function, if there is source that compiles to the function's own code."""
    namespace: dict[str, Any] = getattr(snapshot.function, "__globals__", {})
    own = "".join(_dump_code(code, None))
    flags = code.co_flags & __future__.annotations.compiler_flag
    for block in _blocks(code, snapshot.lines or lines_of_file(code.co_filename, namespace)):
        try:
            tree = ast.parse(block)
            compiled = compile(tree, code.co_filename, "exec", flags, dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue  # It ends in the midst of a statement; or it belongs to another file, and so do all.
        statement = _function_in(tree, code.co_name)
        if statement is None or not any(
            "".join(_dump_code(each, None)) == own for each in _codes(compiled, code.co_name)
        ):
            return None
        decorators = statement.decorator_list
        statement.decorator_list = [each for each in decorators if not _is_task_decorator(each, namespace)]
        return statement
    return None


def _blocks(code: CodeType, lines: Sequence[str]) -> Iterator[str]:
    """Yield what may be the source of a function: its lines up to one that is not indented deeper than the first.

    There are several such lines if one of them belongs to a string, or stands in brackets.
    """
    first = code.co_firstlineno - 1
    if not 0 <= first < len(lines):
        return
    indentation = lines[first][: -len(lines[first].lstrip())]
    start = ""
    if indentation:  # It is put into a block instead of dedented, which would change its multi-line strings.
        is_nested = code.co_flags & inspect.CO_NESTED
        # Outside of a function, its free variables would be compiled as globals.
        start = f"def {_OUTER}{code.co_name}({', '.join(code.co_freevars)}):\n" if is_nested else "if True:\n"
    found = 0
    for end in range(_last_line(code), len(lines)):
        line = lines[end]
        is_deeper = line.startswith(indentation) and line[len(indentation) :][:1].isspace()
        if is_deeper or line.lstrip()[:1] in ("", "#"):
            continue
        yield start + "".join(lines[first:end])
        found += 1
        if found == _MOST_BLOCKS:
            return
    yield start + "".join(lines[first:])


def _last_line(code: CodeType) -> int:
    """Return the last line of a function that something was compiled of."""
    last = max((end for _, end, _, _ in code.co_positions() if end is not None), default=code.co_firstlineno)
    inner = [_last_line(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return max([last, *inner])


def _function_in(tree: ast.Module, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """Return the only statement of a block, or the only one in that which it was put into, if it is the function."""
    match tree.body:
        case [ast.If(body=[statement])]:
            pass
        case [ast.FunctionDef(name=outer, body=[statement])] if outer == f"{_OUTER}{name}":
            pass
        case [statement]:
            pass
        case _:
            return None
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name == name:
        return statement
    return None  # Such as a lambda, whose code belongs to the statement that it stands in.


def _codes(code: CodeType, name: str) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_name == name:
                yield constant
            yield from _codes(constant, name)


def _is_task_decorator(decorator: ast.expr, namespace: dict[str, object]) -> bool:
    match decorator.func if isinstance(decorator, ast.Call) else decorator:
        case ast.Name(id=name):
            return name == "task" or namespace.get(name) is task
        case ast.Attribute(attr=name):
            return name == "task"
        case _:
            return False


# ── Texts that are the same in every process ─────────────────────────────────────────────────────────────────────────


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
                pending += (",", value if isinstance(value, ast.AST | list) else _constant(value), f"{name}=")
        else:
            texts.append("[")
            pending.append("]")
            for item in reversed(cast("list[object]", node)):
                pending += (",", item if isinstance(item, ast.AST) else _constant(item))
    return "".join(texts)


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
    return integer_text(value) if type(value) is int else repr(value)
