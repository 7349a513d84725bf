"""What is remembered of a function when it is decorated, so that its version is that of the code that runs.

A file may be changed while a process runs what it has imported from it. So the lines of the module's file are kept from
the moment of decorating: `linecache` has them once for all functions of a file, and nothing is parsed before a version
is asked for. The values that the code is bound to, in its closure, its defaults and its `functools.partial`, are kept
as text, because what is mutable may change while tasks run.

Nothing of the values is called, not even their `repr`: it may take long, raise, or show an address.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import linecache
from dataclasses import dataclass
from enum import EnumMeta
from types import BuiltinFunctionType, CellType, CodeType, EllipsisType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from cloacina.membrane.words import full_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_LONGEST_CHAIN: Final = 50
_DEEPEST: Final = 20
_MOST_VALUES: Final = 10_000
_LONGEST_TEXT: Final = 1_000
_SMALL_INT: Final = 1 << 63


@dataclass(frozen=True, slots=True, eq=False)
class SourceSnapshot:
    """What is remembered of a function.

    Attributes:
        function: The function behind wrappers, partials and objects with `__call__`.
        code: Its code, or None if it is not written in Python.
        lines: The lines of its module's file when it was decorated; empty if they are not known.
        bound: What it is bound to: text, and in it functions, and cells of its closure that had no value yet.
    """

    function: Callable[..., Any]
    code: CodeType | None
    lines: Sequence[str]
    bound: Sequence[Bound]


Bound: TypeAlias = str | SourceSnapshot | CellType


def take_snapshot(function: Callable[..., Any]) -> SourceSnapshot:
    """Return what is to be remembered of a function. Whatever it is, this does not raise."""
    return _Binder().function(function)


def look_again(cell: CellType, snapshot: SourceSnapshot) -> Sequence[Bound]:
    """Return what a cell of a closure holds by now, which had no value when the function was decorated."""
    binder = _Binder()
    if snapshot.code is not None and snapshot.lines:  # Most often it is a function that stands below in the same file.
        binder.files[snapshot.code.co_filename] = snapshot.lines
    binder.cell(cell)
    return ["unset" if part is cell else part for part in binder.parts]


def lines_of_file(name: str, namespace: dict[str, Any]) -> Sequence[str]:
    """Return the lines of a source file as they are now; none if it cannot be read.

    Args:
        name: Its name.
        namespace: The globals of its module, whose loader may have the source where no file is.
    """
    try:
        linecache.checkcache(name)
        return linecache.getlines(name, namespace)
    except Exception:  # noqa: BLE001 - a loader that somebody wrote may raise anything, and the bytecode is there.
        return ()


class _Binder:
    """Writes down the values that functions are bound to."""

    def __init__(self) -> None:
        self.parts: list[Bound] = []
        self.files: dict[str, Sequence[str]] = {}
        self._depth = 0
        self._left = _MOST_VALUES
        self._functions: dict[int, int] = {}

    def function(self, function: Callable[..., Any]) -> SourceSnapshot:
        """Return the snapshot of a function, and of those that it is bound to."""
        outer, self.parts = self.parts, []
        try:
            for level in _levels(function):
                function = level
                self._bind(level)
            code = getattr(function, "__code__", None)
            if not isinstance(code, CodeType):
                code = None
            return SourceSnapshot(function, code, self._lines(function, code), self.parts)
        except Exception:  # noqa: BLE001 - an object that acts as a function may raise whenever it is looked at.
            return SourceSnapshot(function, None, (), ())
        finally:
            self.parts = outer

    def _lines(self, function: Callable[..., Any], code: CodeType | None) -> Sequence[str]:
        namespace: object = getattr(function, "__globals__", None)
        if code is None or not isinstance(namespace, dict):
            return ()
        names, file = cast("dict[str, Any]", namespace), code.co_filename
        # What exec() made may be named after any file, or after none: that is looked for when it has to be.
        if file not in self.files and names.get("__file__") == file:
            self.files[file] = lines_of_file(file, names)
        return self.files.get(file, ())

    def _bind(self, level: Callable[..., Any]) -> None:
        if isinstance(level, functools.partial):
            self._values(level.args)
            self._named(dict(sorted(level.keywords.items())))
        elif isinstance(level, MethodType):
            self._values((level.__self__,))
        elif isinstance(level, FunctionType):
            self._functions[id(level)] = len(self._functions)
            for name, cell in zip(level.__code__.co_freevars, level.__closure__ or (), strict=True):
                if name != "__class__":  # What super() asks for: the class that the function is in.
                    self.parts.append(f"{name}=")
                    self.cell(cell)
            self._values(level.__defaults__ or ())
            self._named(level.__kwdefaults__ or {})

    def _values(self, values: tuple[object, ...]) -> None:
        for value in values:
            self._value(value)

    def _named(self, values: dict[str, object]) -> None:
        for name, value in values.items():
            self.parts.append(f"{name}=")
            self._value(value)

    def cell(self, cell: CellType) -> None:
        """Write down what a cell of a closure holds."""
        try:
            value: object = cell.cell_contents
        except ValueError:
            self.parts.append(cell)
        else:
            self._value(value)

    def _value(self, value: object) -> None:
        self._left -= 1
        if self._left < 0:
            return
        kind = type(value)
        self._depth += 1
        try:
            if kind in _CONTAINERS:
                self._container(value)
            elif kind is FunctionType or kind is MethodType or issubclass(kind, functools.partial):
                self._function(cast("Callable[..., Any]", value))
            else:
                self.parts.append(_plain(value))
        except Exception:  # noqa: BLE001 - such as a dict that a thread changes: that there is a value counts.
            self.parts.append("?")
        self._depth -= 1
        self.parts.append(",")

    def _container(self, value: Any) -> None:
        # Its size counts even where not all that it holds is looked at.
        self.parts.append(f"{type(value).__name__} {len(value)}(")
        if self._depth > _DEEPEST or len(value) > self._left:
            self.parts.append("...")
        elif isinstance(value, dict):
            for key, item in cast("dict[object, object]", value).items():
                self.parts.append(f"{_plain(key)}:")
                self._value(item)
        elif isinstance(value, set | frozenset):
            # Their order differs from process to process.
            self.parts.extend(sorted(map(_plain, cast("set[object]", value))))
        else:
            self._values(value)
        self.parts.append(")")

    def _function(self, function: Callable[..., Any]) -> None:
        known = self._functions.get(id(function))
        if known is not None or self._depth > _DEEPEST:
            self.parts.append(f"function {known}")
        else:
            self.parts.append(self.function(function))


_CONTAINERS: Final = frozenset({list, tuple, dict, set, frozenset})
_SCALARS: Final = frozenset({bool, float, complex, type(None), EllipsisType})


def _plain(value: object) -> str:
    """Return a text of a value that is the same in every process: the name of its type, if nothing else is."""
    kind = type(value)
    if kind is str or kind is bytes:
        return _text(cast("str | bytes", value))
    if kind in _SCALARS:
        return repr(value)
    if kind is int:
        return integer_text(cast("int", value))
    if kind is tuple:
        return f"({','.join(map(_plain, cast('tuple[object, ...]', value)))})"
    if issubclass(type(kind), EnumMeta):
        return f"{qualified_name(kind)}.{object.__getattribute__(value, '_name_')}"
    if issubclass(kind, type) or kind is BuiltinFunctionType:
        return qualified_name(value)
    if kind is ModuleType:
        return cast("ModuleType", value).__name__
    return qualified_name(kind)


def _text(value: str | bytes) -> str:
    if len(value) <= _LONGEST_TEXT:
        return repr(value)
    content = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return f"{type(value).__name__} {hashlib.sha256(content).hexdigest()}"


def integer_text(value: int) -> str:
    """Return a text of an integer of any size. Python refuses to write very long ones in decimal digits."""
    return repr(value) if -_SMALL_INT < value < _SMALL_INT else hex(value)


def qualified_name(value: object) -> str:
    """Return where a class or a function is from, by its own account; the same of its class, if it gives none."""
    try:
        names = (getattr(value, "__module__", None), getattr(value, "__qualname__", None))
    except Exception:  # noqa: BLE001 - an object that acts as a function may raise whenever it is looked at.
        names = (None, None)
    module, name = (
        given if type(given) is str else known for given, known in zip(names, full_name(type(value)), strict=True)
    )
    return f"{module}:{name}"


def _levels(function: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Yield a callable, and what is behind it, down to the function whose code counts."""
    for _ in range(_LONGEST_CHAIN):
        yield function
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, MethodType):
            function = function.__func__
        elif (wrapped := getattr(function, "__wrapped__", None)) is not None:
            function = wrapped
        elif inspect.isroutine(function) or isinstance(function, type):
            return
        else:
            function = type(function).__call__
