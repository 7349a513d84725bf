"""Exceptions that no program expects: made of classes whose own methods raise, lie or never end."""

from __future__ import annotations

import os
from typing import Any, cast

from hypothesis import reject, strategies as st

from cloacina import CloacinaError

UNDECODABLE = os.fsdecode(b"caf\xe9.csv")
"""The name of a file in another encoding, as Python hands it out: no UTF-8 text can hold it."""

HUGE = "much to say " * 20_000


class OddText(str):
    """A text whose every method raises."""

    __slots__ = ()

    def _refuse(self, *args: Any) -> Any:
        raise ValueError("of a text")

    __format__ = __len__ = __getitem__ = __eq__ = encode = isascii = splitlines = replace = __str__ = _refuse  # type: ignore[assignment]
    __hash__ = str.__hash__


class OddType(type):
    """A class of classes that says nothing about them."""

    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(f"nobody asks for {name}")

    def __instancecheck__(cls, instance: object) -> bool:
        raise RuntimeError("is it one?")

    def __subclasscheck__(cls, subclass: type) -> bool:
        raise RuntimeError("is it one?")

    def __hash__(cls) -> int:
        raise RuntimeError("has no hash")


def _raising(error: type[BaseException]) -> Any:
    def misbehave(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise error

    return misbehave


def _returning(value: Any) -> Any:
    def misbehave(self: Any, *args: Any, **kwargs: Any) -> Any:
        return value

    return misbehave


def _returning_itself(self: Any, *args: Any, **kwargs: Any) -> Any:
    return self


def _never_ending(self: Any, *args: Any, **kwargs: Any) -> Any:
    return _never_ending(self)


class Derived(CloacinaError):
    """An error of a program's own, derived from the library's base class."""


class SaysNothing(ValueError):
    """An exception without a text, and without a `repr`."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


_METHODS = [
    *[f"__{name}__" for name in ("str", "repr", "getattribute", "getattr", "hash", "eq", "bool", "len", "iter", "dir")],
    *["__format__", "__reduce__", "add_note", "with_traceback", "split", "derive"],
]
_ATTRIBUTES = [
    *[f"__{name}__" for name in ("class", "module", "notes", "cause", "context", "suppress_context", "traceback")],
    *["args", "exceptions", "message", "code", "name", "obj"],
    *["msg", "filename", "lineno", "offset", "text", "end_lineno", "end_offset"],
]
_ERRORS = [ValueError, SaysNothing, SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError, RecursionError]
_VALUES: list[Any] = [
    *[None, 5, -1, 10**5_000, range(10**9), object(), ValueError, (), [], {}, b""],
    *["", "text", HUGE, OddText("odd"), UNDECODABLE, "nul \0", "\x1b[31m"],
    [HUGE, 5, SaysNothing(), OddText("odd")],
]
_MISBEHAVIOURS = [*map(_raising, _ERRORS), *map(_returning, _VALUES), _returning_itself, _never_ending]
_BASES: list[type[BaseException]] = [
    *[Exception, OSError, KeyError, SyntaxError, NameError, AttributeError, ImportError, UnicodeDecodeError],
    *[BaseException, SystemExit, KeyboardInterrupt, StopIteration, Derived],
]


class _Made:
    def __init__(self, kind: type[BaseException], base: type[BaseException]) -> None:
        self.kind = kind
        self.base = base


def _one_of(values: list[Any]) -> st.SearchStrategy[Any]:
    def chosen(number: int) -> Any:
        return values[number]

    # By number: hypothesis shows and compares what it chooses from.
    return st.integers(0, len(values) - 1).map(chosen)


_MADE_METHODS = st.dictionaries(st.sampled_from(_METHODS), _one_of(_MISBEHAVIOURS), max_size=5)
_MADE_ATTRIBUTES = st.dictionaries(
    st.sampled_from(_ATTRIBUTES), _one_of([*map(property, _MISBEHAVIOURS), *_VALUES]), max_size=5
)
_NAMES = _one_of(["Odd", "Odd" * 1_000, "Öd"])
_METACLASSES = st.sampled_from([type, type, OddType])
_ARGUMENTS = st.lists(_one_of(_VALUES), max_size=2)


def _make_class(
    base: type[BaseException], methods: dict[str, Any], attributes: dict[str, Any], name: str, metaclass: Any
) -> _Made:
    return _Made(metaclass(name, (base,), methods | attributes), base)


def _odd_classes(*bases: type[BaseException]) -> st.SearchStrategy[_Made]:
    """Make classes of exceptions some of whose methods and attributes misbehave."""
    return st.builds(_make_class, st.sampled_from(bases), _MADE_METHODS, _MADE_ATTRIBUTES, _NAMES, _METACLASSES)


class Carried:
    """Carries an exception, because those who make examples of it and show them would fall over it themselves."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _make(made: _Made, arguments: list[Any], is_raised: bool) -> Carried:
    error = made.base.__new__(made.kind, *arguments)
    if is_raised:
        try:
            raise error
        except BaseException as raised:  # noqa: BLE001 - for its traceback
            return Carried(raised)
    return Carried(error)


def _link(carried: list[Carried], how: list[tuple[str, int]]) -> Carried:
    """Let exceptions lead to each other, perhaps in a circle."""
    for each, (attribute, to) in zip(carried, how, strict=False):
        inner = bool(to % 2) if attribute == "__suppress_context__" else carried[to % len(carried)].error
        vars(BaseException)[attribute].__set__(each.error, inner)
    return carried[0]


def _group(made: _Made, text: str, members: list[Carried]) -> Carried:
    try:
        return Carried(BaseExceptionGroup.__new__(made.kind, text, [each.error for each in members]))  # type: ignore[type-var]
    except BaseException:  # noqa: BLE001 - some are too odd for a group
        reject()


_LINKS = st.tuples(st.sampled_from(["__cause__", "__context__", "__suppress_context__"]), st.integers(0, 4))
_GROUPS = st.just(_Made(BaseExceptionGroup, BaseExceptionGroup)) | _odd_classes(BaseExceptionGroup)
_TEXTS = _one_of(["several", "", HUGE, UNDECODABLE])

odd_exceptions = st.recursive(
    st.builds(_make, _odd_classes(*_BASES), _ARGUMENTS, st.booleans()),
    lambda inner: (
        st.builds(_link, st.lists(inner, min_size=2, max_size=5), st.lists(_LINKS, max_size=5))
        | st.builds(_group, _GROUPS, _TEXTS, st.lists(inner, min_size=1, max_size=12))
    ),
    max_leaves=20,
)
"""Makes exceptions of odd classes, their chains and their groups."""


def long_chain(length: int = 5_000) -> BaseException:
    """Return an exception with so many causes."""
    error: BaseException = ValueError("the first")
    for number in range(length):
        outer = ValueError(f"link {number}")
        outer.__cause__ = error
        error = outer
    return error


def circle() -> BaseException:
    """Return an exception that is its cause's cause."""
    error, cause = ValueError("one"), ValueError("other")
    error.__cause__, cause.__cause__ = cause, error
    return error


def deep_group(depth: int = 5_000) -> BaseException:
    """Return a group in a group in a group."""
    error: Any = ConnectionError("the leaf")
    for _ in range(depth):
        error = ExceptionGroup("nested", [error])
    return cast("BaseException", error)


def branching_group() -> BaseException:
    """Return a group that holds the same group twice, which does so too: 2 ** 60 times the one leaf."""
    error: Any = ConnectionError("the leaf")
    for _ in range(60):
        error = ExceptionGroup("branching", [error, error])
    return cast("BaseException", error)


def wide_group() -> BaseException:
    """Return a group of a thousand."""
    return ExceptionGroup("wide", [ConnectionError(f"host {number}") for number in range(1_000)])


def deep_recursion() -> BaseException:
    """Return the exception of two functions that call each other for ever."""

    def ping() -> None:
        pong()

    def pong() -> None:
        ping()

    try:
        ping()
    except RecursionError as error:
        return error
    raise AssertionError
