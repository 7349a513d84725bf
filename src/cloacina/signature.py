"""How a function is called as a task: where its context goes, and whether and how it takes a handle.

The rules, decided once when a function is decorated, from its `inspect.signature` (so through `functools.wraps`):

1. A parameter takes the handle when its annotation is a handle type, alone or in Optional, a union or Annotated;
   otherwise when its name is `handle` or `task_handle`. At most one parameter does.
2. The first other parameter takes the context, by position.
3. Every further parameter needs a default; it is never given anything.
"""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, ForwardRef, Union, cast, get_args, get_origin

from cloacina.errors import InvalidTask, WrongHandleType
from cloacina.handle import BlockingTaskHandle, TaskHandle

if sys.version_info >= (3, 14):
    import annotationlib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from inspect import Parameter

HANDLE_NAMES: Final = ("handle", "task_handle")
_HANDLE_TYPES: Final[Mapping[str, type]] = {kind.__name__: kind for kind in (TaskHandle, BlockingTaskHandle)}
_VARIADIC: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True, eq=False)
class TaskSignature:
    """How a task is called.

    Attributes:
        call: Takes the context, and the handle behind it if `handle_parameter` is set. Its result is to be awaited if
            `is_async`.
        is_async: Whether the task runs on the event loop, and not in a thread.
        handle_parameter: The name of the parameter that takes the handle, or None.
    """

    call: Callable[..., Any]
    is_async: bool
    handle_parameter: str | None


def read_signature(function: Callable[..., Any], name: str) -> TaskSignature:
    """Find out how a function is called as a task.

    Args:
        function: A function, a `functools.partial` or an object with `__call__`.
        name: What to call it in an error message.

    Raises:
        InvalidTask: The function cannot be called as a task.
        WrongHandleType: Its handle is annotated with the type of the other kind of task.
    """
    _refuse_other_kinds(function, name)
    parameters = _parameters(function, name)
    namespace = _namespace(function)
    is_async = is_coroutine_function(function)
    is_wrapped_async = not is_async and is_coroutine_function(inspect.unwrap(_unbind(function)))
    handle = _handle_parameter(parameters, namespace, name, is_async=is_async or is_wrapped_async)
    others = [parameter for parameter in parameters if parameter is not handle]
    _check_context(others, name)
    call = function if handle is None else _caller(function, parameters, handle)
    return TaskSignature(
        call=_awaiting(call) if is_wrapped_async else call,
        is_async=is_async or is_wrapped_async,
        handle_parameter=handle.name if handle else None,
    )


def _refuse_other_kinds(function: Callable[..., Any], name: str) -> None:
    if isinstance(function, type):
        raise InvalidTask(f"Task {name!r} is a class. Decorate a function, or an instance that has __call__")
    body = _body(function)
    if inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body):
        raise InvalidTask(
            f"Task {name!r} is a generator function: calling it would run nothing of it. Write to the context instead"
            " of yielding"
        )


def _parameters(function: Callable[..., Any], name: str) -> list[Parameter]:
    try:
        if sys.version_info >= (
            3,
            14,
        ):  # Annotations are evaluated there when asked for, and may name what is not there.
            signature = inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
        else:
            signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise InvalidTask(f"Task {name!r} has no signature that Python can read: wrap it in a function") from error
    return list(signature.parameters.values())


def _unbind(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function behind `functools.partial`."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _body(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function that runs when a callable is called."""
    function = _unbind(function)
    if inspect.isroutine(function):
        return function
    return type(function).__call__


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Return whether a function, or what an object is called by, is `async def`."""
    return inspect.iscoroutinefunction(_body(function))


def _namespace(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the names that string annotations of a function may use."""
    innermost = inspect.unwrap(_unbind(function))
    return cast("dict[str, Any]", getattr(_body(innermost), "__globals__", {}))


def _handle_parameter(
    parameters: list[Parameter], namespace: dict[str, Any], name: str, *, is_async: bool
) -> Parameter | None:
    found: list[Parameter] = []
    for parameter in parameters:
        if parameter.kind in _VARIADIC:
            continue
        kinds = set(_handle_types(_resolved(parameter.annotation, namespace)))
        if not kinds and parameter.name not in HANDLE_NAMES:
            continue
        found.append(parameter)
        right, wrong = (TaskHandle, BlockingTaskHandle) if is_async else (BlockingTaskHandle, TaskHandle)
        if wrong in kinds and right not in kinds:
            raise WrongHandleType(
                f"Task {name!r} is {'an `async def`' if is_async else 'a `def`'} task, whose handle is a"
                f" {right.__name__}, but its parameter {parameter.name!r} is annotated with {wrong.__name__}."
                f" Change the annotation, or make it {'a `def`' if is_async else 'an `async def`'} task"
            )
    if len(found) > 1:
        names = " and ".join(repr(parameter.name) for parameter in found)
        raise InvalidTask(f"Task {name!r} takes the handle twice, as {names}. Remove or rename one of them")
    return found[0] if found else None


def _check_context(others: list[Parameter], name: str) -> None:
    for parameter in others:
        if parameter.kind in _VARIADIC:
            star = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else "**"
            raise InvalidTask(
                f"Task {name!r} has the parameter {star}{parameter.name}, which hides what it takes. Spell its"
                " parameters out; a decorator of your own keeps those of the function with functools.wraps"
            )
    if not others or others[0].kind not in _POSITIONAL:
        raise InvalidTask(
            f"Task {name!r} has no parameter for the context. The first parameter that is not the handle takes it, by"
            " position: def task(context)"
        )
    required = [parameter.name for parameter in others[1:] if parameter.default is inspect.Parameter.empty]
    if others[0].name in ("self", "cls"):
        raise InvalidTask(
            f"Task {name!r} is a method: {others[0].name!r} would be given the context. Use a function, or a"
            " staticmethod with @task beneath @staticmethod"
        )
    if required:
        raise InvalidTask(
            f"Task {name!r} takes {', '.join(map(repr, required))} besides the context {others[0].name!r}, and nothing"
            " fills that in. Give it a default, pass the value in the context, or bind it with functools.partial"
        )


def _caller(function: Callable[..., Any], parameters: list[Parameter], handle: Parameter) -> Callable[..., Any]:
    """Return a function that takes the context and the handle, and passes both to where they belong."""
    place, keyword = parameters.index(handle), handle.name
    between = tuple(parameter.default for parameter in parameters[1:place])

    def call_with_handle_first(context: Any, handle: Any) -> Any:
        return function(handle, context)

    def call_with_handle_behind(context: Any, handle: Any) -> Any:
        return function(context, *between, handle)

    def call_with_handle_by_name(context: Any, handle: Any) -> Any:
        return function(context, **{keyword: handle})

    if place == 0 and handle.kind in _POSITIONAL:
        return call_with_handle_first
    return call_with_handle_behind if handle.kind is handle.POSITIONAL_ONLY else call_with_handle_by_name


def _awaiting(call: Callable[..., Any]) -> Callable[..., Any]:
    """Return an async function for a `def` wrapper around an `async def` function: it may return a coroutine."""

    async def call_and_await(*args: Any) -> Any:
        result = call(*args)
        return await result if inspect.isawaitable(result) else result

    return call_and_await


def _resolved(annotation: Any, namespace: dict[str, Any]) -> Any:
    """Return what a string annotation stands for, or its syntax tree when it names what only type checkers see."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if not isinstance(annotation, str):
        return annotation
    try:
        # What typing.get_type_hints does too, but that gives up on all parameters when one cannot be resolved.
        return eval(annotation, namespace)  # noqa: S307 - the annotation is code of the same module.
    except Exception:  # noqa: BLE001 - whatever it raises, the name may still tell.
        return _parsed(annotation)


def _parsed(annotation: str) -> ast.expr | None:
    try:
        return ast.parse(annotation, mode="eval").body
    except SyntaxError:
        return None


def _handle_types(annotation: Any) -> Iterator[type]:
    """Yield the handle types that an annotation allows."""
    if isinstance(annotation, ast.expr):
        yield from _handle_types_by_name(annotation)
    elif isinstance(annotation, str | ForwardRef):
        yield from _handle_types(_resolved(annotation, {}))
    elif isinstance(annotation, type):
        yield from (kind for kind in _HANDLE_TYPES.values() if kind in annotation.__mro__)
    elif get_origin(annotation) is Annotated:
        yield from _handle_types(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _handle_types(member)


def _handle_types_by_name(annotation: ast.expr) -> Iterator[type]:
    """Yield the handle types in the syntax tree of an annotation that cannot be evaluated."""
    match annotation:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            if name in _HANDLE_TYPES:
                yield _HANDLE_TYPES[name]
        case ast.Constant(value=str(text)):
            yield from _handle_types(_parsed(text))
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from _handle_types_by_name(left)
            yield from _handle_types_by_name(right)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            members = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            allowed = {"Optional": members, "Union": members, "Annotated": members[:1]}
            for member in allowed.get(name, []):
                yield from _handle_types_by_name(member)
        case _:
            return
