"""The data of an execution: JSON values under string keys, and what a task changed of them.

A `Context` stands on a *base*, the values that a task starts with, as JSON text. A value is decoded when it is first
read, afresh for each context, so that a list which one task changes in place never shows up in another task. What the
task did is the difference from the base, compared as canonical JSON text: `1`, `1.0` and `true` are three values.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from json.encoder import encode_basestring  # The C function where there is one.
from math import isfinite
from typing import Any, Final

from cloacina.errors import ContextSealed, NotJSONSerializable

MAXIMUM_DEPTH: Final = 200
"""How many lists and objects may be nested in each other; a container that contains itself is deeper than that."""

_SMALL_INT: Final = 1 << 63
_EMPTY: Final[Mapping[str, str]] = {}
# The depth is checked before encoding, so the encoder need not look for cycles.
_encoder: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, check_circular=False, separators=(",", ":")
)
_decoder: Final = json.JSONDecoder()
_repr: Final = reprlib.Repr()
_repr.maxdict, _repr.maxlist, _repr.maxtuple, _repr.maxstring, _repr.maxother = 20, 10, 10, 80, 80


class Context(MutableMapping[str, Any]):
    """The values that a task reads and writes, as a mutable mapping.

    Values are what JSON holds: None, booleans, finite numbers, strings, lists, and dicts with string keys. Anything
    else is refused when it is written. A tuple is accepted, and reaches other tasks as a list; so does a member of an
    `IntEnum` or `StrEnum`, as its number or text. A list or dict may be changed in place: the change is noticed, and
    checked, when the task ends.

    Args:
        values: The values that the context starts with. They are copied: the context never changes them.

    Raises:
        NotJSONSerializable: A key is not a string, or JSON cannot hold a value.

    Example:
        ```python
        from cloacina import Context

        context = Context({"rows": [1, 2]})
        context["rows"].append(3)
        context["count"] = len(context["rows"])
        print(context.changes())
        #> {'rows': '[1,2,3]', 'count': '3'}
        ```
    """

    __slots__ = ("_base", "_live", "_removed", "_sealed")

    _base: Mapping[str, str]
    _live: dict[str, Any]  # What was read or written so far, by key.
    _removed: set[str] | None  # Keys of the base that were deleted, also when written again later.
    _sealed: bool

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._base = encode_values(values) if values else _EMPTY
        self._live = {}
        self._removed = None
        self._sealed = False

    @classmethod
    def from_encoded(cls, base: Mapping[str, str]) -> Context:
        """Return a context that stands on values which are JSON text already.

        Args:
            base: The canonical JSON text of each value, as `encode` makes it. It is neither copied nor changed, and
                must not be changed by others while the context is in use.
        """
        context = cls.__new__(cls)
        context._base = base
        context._live = {}
        context._removed = None
        context._sealed = False
        return context

    def __getitem__(self, key: str) -> Any:
        try:
            return self._live[key]
        except KeyError:
            pass
        if self._removed is not None and key in self._removed:
            raise KeyError(key)
        text = self._base[key]
        # Of two threads that read a key for the first time, both get the value that was stored first.
        return self._live.setdefault(key, _decoder.decode(text))

    def __setitem__(self, key: str, value: Any) -> None:
        if self._sealed:
            raise ContextSealed(
                f"context[{key!r}] was written after the task had ended. What a task writes counts until it returns;"
                " finish every thread or background job that writes before that"
            )
        _check_key(key, "context")
        try:
            _check(value, 0)
        except _Refused as refused:
            raise refused.error(f"context[{key!r}]") from None
        self._live[key] = value

    def __delitem__(self, key: str) -> None:
        if self._sealed:
            raise ContextSealed(
                f"context[{key!r}] was deleted after the task had ended. What a task writes counts until it returns;"
                " finish every thread or background job that writes before that"
            )
        if key not in self:
            raise KeyError(key)
        self._live.pop(key, None)
        if key in self._base:
            if self._removed is None:
                self._removed = set()
            self._removed.add(key)

    def __contains__(self, key: object) -> bool:
        if key in self._live:
            return True
        return key in self._base and (self._removed is None or key not in self._removed)

    def __iter__(self) -> Iterator[str]:
        # Over a snapshot: reading a value during the iteration stores it in _live, which must not disturb the loop.
        return iter(self._keys())

    def __len__(self) -> int:
        return len(self._keys())

    def __repr__(self) -> str:
        return f"Context({_repr.repr(dict(self.items()))})"

    def __copy__(self) -> Context:
        other = Context.from_encoded(self._base)
        other._live = self._live.copy()
        other._removed = None if self._removed is None else self._removed.copy()
        return other

    def clear(self) -> None:
        """Delete every key.

        Raises:
            ContextSealed: The task has ended.
        """
        for key in self._keys():
            del self[key]

    def to_dict(self) -> dict[str, Any]:
        """Return the values as another task would see them, in a dict that is independent of this context.

        Raises:
            NotJSONSerializable: A list or dict was changed in place to hold what JSON cannot.
        """
        return {
            key: decode(encode(self._live[key], f"context[{key!r}]") if key in self._live else self._base[key])
            for key in self._keys()
        }

    def changes(self) -> dict[str, str | None]:
        """Return what differs from the base: the canonical JSON text of each changed key, None for a deleted one.

        Keys that were neither read nor written cost nothing. Writing the value that a key has already is no change.

        Raises:
            NotJSONSerializable: A list or dict was changed in place to hold what JSON cannot.
        """
        base = self._base
        changes: dict[str, str | None] = {}
        live = self._live.copy()  # A thread that outlived its timeout may still be reading.
        for key, value in live.items():
            try:
                text = _encode(value)
            except _Refused as refused:
                raise refused.error(f"context[{key!r}]") from None
            if base.get(key) != text:
                changes[key] = text
        if self._removed is not None:
            for key in sorted(self._removed):
                if key not in live:
                    changes[key] = None
        return changes

    def seal(self) -> dict[str, str | None]:
        """Refuse every write from now on, and return the changes.

        Raises:
            NotJSONSerializable: A list or dict was changed in place to hold what JSON cannot. The context is sealed
                nevertheless.
        """
        self._sealed = True
        return self.changes()

    def discard(self) -> None:
        """Refuse every write from now on, without looking at the changes: those of a failed attempt do not count."""
        self._sealed = True

    def _keys(self) -> list[str]:
        removed = self._removed
        base = self._base
        if removed is None:
            keys = list(base)
            keys.extend([key for key in self._live.copy() if key not in base])
            return keys
        keys = [key for key in base if key not in removed]
        keys.extend([key for key in self._live.copy() if key not in base or key in removed])
        return keys


def encode(value: Any, path: str = "context") -> str:
    """Return the canonical JSON text of a value: sorted keys, no spaces, characters outside of ASCII as they are.

    Args:
        value: A JSON value.
        path: What to call the value in an error message.

    Raises:
        NotJSONSerializable: JSON cannot hold the value, or something inside of it; the message names its path.

    Example:
        ```python
        from cloacina.context import encode

        print(encode({"b": [1, 2.0, None], "a": "ü"}))
        #> {"a":"ü","b":[1,2.0,null]}
        ```
    """
    try:
        return _encode(value)
    except _Refused as refused:
        raise refused.error(path) from None


def decode(text: str) -> Any:
    """Return the value of a JSON text that `encode` made."""
    return _decoder.decode(text)


def encode_values(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the canonical JSON text of each value of a mapping.

    Raises:
        NotJSONSerializable: A key is not a string, or JSON cannot hold a value; the message names its path.
    """
    encoded: dict[str, str] = {}
    for key, value in values.items():
        _check_key(key, "context")
        try:
            encoded[key] = _encode(value)
        except _Refused as refused:
            raise refused.error(f"context[{key!r}]") from None
    return encoded


def encode_mapping(encoded: Mapping[str, str]) -> str:
    """Return the canonical JSON text of an object whose values are JSON text already.

    Example:
        ```python
        from cloacina.context import encode_mapping

        print(encode_mapping({"b": "[1,2]", "a": "null"}))
        #> {"a":null,"b":[1,2]}
        ```
    """
    return "{" + ",".join([f"{encode_basestring(key)}:{encoded[key]}" for key in sorted(encoded)]) + "}"


class _Refused(Exception):
    """A value that JSON cannot hold; the path to it grows from the inside out while this passes the containers."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str] = []

    def error(self, path: str) -> NotJSONSerializable:
        return NotJSONSerializable(f"{path}{''.join(reversed(self.steps))} {self.reason}")


def _encode(value: Any) -> str:
    _check(value, 0)
    return _encoder.encode(value)


def _check_key(key: object, path: str) -> None:
    if not isinstance(key, str):
        raise NotJSONSerializable(f"{path} was given the key {key!r} ({type(key).__name__}). Keys are strings")
    if not key.isascii():
        try:
            key.encode()
        except UnicodeEncodeError:
            raise NotJSONSerializable(f"{path} was given the key {key!r}. {_SURROGATE}") from None


_SURROGATE: Final = "It holds half of a surrogate pair, which no text file can store; decode the text it came from anew"


def _check(value: Any, depth: int) -> None:
    """Refuse what JSON cannot hold.

    Raises:
        _Refused: With the reason, and the steps that lead to the place.
    """
    kind = type(value)
    if kind is str:
        if not value.isascii():
            _check_text(value)
    elif kind is int:
        if not -_SMALL_INT < value < _SMALL_INT:
            _check_digits(value)
    elif value is None or kind is bool:
        pass
    elif kind is float:
        if not isfinite(value):
            raise _Refused(f"is {value}, and JSON has no such number. Use None, or a string")
    elif isinstance(value, dict):
        _check_items(_as_mapping(value), depth + 1)
    elif isinstance(value, list | tuple):
        _check_elements(_as_iterable(value), depth + 1)
    elif isinstance(value, str):
        _check_text(value)
    elif isinstance(value, int):
        _check_digits(value)
    elif isinstance(value, float):
        _check(float(value), depth)
    else:
        raise _Refused(
            f"is a {kind.__qualname__}, which JSON cannot hold."
            f" {_MENDS.get(kind, 'Write None, booleans, numbers, strings, lists, and dicts with string keys')}"
        )


_MENDS: Final[Mapping[type, str]] = {
    set: "Write a list: sorted(value)",
    frozenset: "Write a list: sorted(value)",
    bytes: "Write text: value.decode(), or base64",
    bytearray: "Write text: value.decode(), or base64",
    complex: "Write a list of its two parts",
}


def _as_mapping(value: dict[Any, Any]) -> Mapping[Any, Any]:
    return value


def _as_iterable(value: list[Any] | tuple[Any, ...]) -> Iterable[Any]:
    return value


def _check_items(value: Mapping[Any, Any], depth: int) -> None:
    _check_depth(depth)
    for key, item in value.items():
        if not isinstance(key, str):
            raise _Refused(f"has the key {key!r} ({type(key).__name__}). The keys of a JSON object are strings")
        try:
            if not key.isascii():
                _check_text(key)
            _check(item, depth)
        except _Refused as refused:
            refused.steps.append(f"[{key!r}]")
            raise


def _check_elements(value: Iterable[Any], depth: int) -> None:
    _check_depth(depth)
    index = 0
    try:
        for index, item in enumerate(value):
            _check(item, depth)
    except _Refused as refused:
        refused.steps.append(f"[{index}]")
        raise


def _check_depth(depth: int) -> None:
    if depth > MAXIMUM_DEPTH:
        raise _Refused(f"is nested more than {MAXIMUM_DEPTH} levels deep, or contains itself")


def _check_text(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Refused(f"is {_repr.repr(value)}. {_SURROGATE}") from None


def _check_digits(value: int) -> None:
    try:
        int.__repr__(value)
    except ValueError:
        raise _Refused("is an integer of more digits than Python converts to text. Write it as hexadecimal text") from None
