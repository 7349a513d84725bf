"""JSON text of values: one form for each number and string, no spaces, and keys in the order of the value.

So a value comes back as it was written, and most comparisons are those of two texts. Where the order of keys must not
count, `is_same_value` looks past it. What JSON cannot hold is refused, with the path to it; the json module would turn
the key 1 into "1", and write NaN, which no other parser reads.
"""

from __future__ import annotations

import json
import reprlib
from json.encoder import encode_basestring  # The C function where there is one.
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from cloacina.errors import NotJSONSerializable
from cloacina.json_mends import mend_for
from cloacina.large_json import LARGE_TEXT, decode_large, encode_large, is_large
from cloacina.membrane.words import full_name

if TYPE_CHECKING:
    from collections.abc import Mapping

MAXIMUM_DEPTH: Final = 200
"""How many lists and objects may be nested in each other; a container that contains itself is deeper than that."""

_SHOWN_STEPS: Final = 20
_SMALL_INT: Final = 1 << 63
_PLAIN: Final = frozenset({int, float, bool, bytes, type(None)})
_SURROGATE: Final = "It holds half of a surrogate pair, which no text file can store; decode the text it came from anew"

# The depth is checked before encoding, so the encoder need not look for cycles.
_encoder: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
_shown: Final = reprlib.Repr()
_shown.maxstring = 80
_sorting_encoder: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, check_circular=False)
_decoder: Final = json.JSONDecoder()


def encode(value: Any, path: str = "context") -> str:
    """Return the JSON text of a value: keys in their order, no spaces, characters outside of ASCII as they are.

    Args:
        value: A JSON value.
        path: What to call the value in an error message.

    Raises:
        NotJSONSerializable: JSON cannot hold the value, or something inside of it; the message names its path.

    Example:
        ```python
        from cloacina.context import encode

        print(encode({"b": [1, 2.0, None], "a": "ü"}))
        #> {"b":[1,2.0,null],"a":"ü"}
        ```
    """
    try:
        return _encode(value)
    except _Refused as refused:
        raise refused.error(path) from None
    except Exception as error:
        raise _unreadable(path, error) from error


def decode(text: str) -> Any:
    """Return the value of a JSON text that `encode` made."""
    if len(text) >= LARGE_TEXT:
        return decode_large(text)
    # Not decode(), which looks for white space around the value.
    return _decoder.raw_decode(text)[0]


def is_same_value(text: str, other: str) -> bool:
    """Return whether two texts that `encode` made are of the same value, in whatever order the keys of objects stand.

    As in the texts, 1, 1.0 and true are three values.

    Example:
        ```python
        from cloacina.context import is_same_value

        print(is_same_value('{"a":1,"b":2}', '{"b":2,"a":1}'), is_same_value("1", "1.0"))
        #> True False
        ```
    """
    if text == other:
        return True
    # Another order of the keys is a text of the same length.
    return len(text) == len(other) and "{" in text and _sorted(text) == _sorted(other)


def _sorted(text: str) -> str:
    return _sorting_encoder.encode(decode(text))


def encode_values(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the JSON text of each value of a mapping.

    Raises:
        NotJSONSerializable: A key is not a string, or JSON cannot hold a value; the message names its path.
    """
    encoded: dict[str, str] = {}
    for key, value in values.items():
        _check_key(key)
        encoded[key] = encode_item(key, value)
    return encoded


def encode_item(key: str, value: Any) -> str:
    """Return the JSON text of the value that a context has under a key.

    Raises:
        NotJSONSerializable: JSON cannot hold the value; the message names its path.
    """
    try:
        return _encode(value)
    except _Refused as refused:
        raise refused.error(f"context{_step(key)}") from None
    except Exception as error:
        raise _unreadable(f"context{_step(key)}", error) from error


def check_item(key: str, value: Any) -> None:
    """Refuse a key and a value that a context cannot hold.

    Raises:
        NotJSONSerializable: The key is not a string, or JSON cannot hold the value; the message names its path.
    """
    _check_key(key)
    try:
        _check(value, 0)
    except _Refused as refused:
        raise refused.error(f"context{_step(key)}") from None
    except Exception as error:
        raise _unreadable(f"context{_step(key)}", error) from error


def encode_mapping(encoded: Mapping[str, str]) -> str:
    """Return the JSON text of an object whose values are JSON text already.

    Example:
        ```python
        from cloacina.context import encode_mapping

        print(encode_mapping({"b": "[1,2]", "a": "null"}))
        #> {"b":[1,2],"a":null}
        ```
    """
    return "{" + ",".join([f"{encode_basestring(key)}:{text}" for key, text in encoded.items()]) + "}"


class _Refused(Exception):
    """A value that JSON cannot hold; the path to it grows from the inside out while this passes the containers."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str] = []

    def error(self, path: str) -> NotJSONSerializable:
        steps = self.steps[::-1]
        if len(steps) > _SHOWN_STEPS:  # As for a container that contains itself.
            steps[_SHOWN_STEPS // 2 : -1] = ["..."]
        return NotJSONSerializable(f"{path}{''.join(steps)} {self.reason}")


def _encode(value: Any) -> str:
    _check(value, 0)
    # The encoder would do for all, but is built anew for each call.
    if type(value) is int or type(value) is float:
        return repr(value)
    if value is None:
        return "null"
    if type(value) is bool:
        return "true" if value else "false"
    return encode_large(value, _encoder.encode) if is_large(value) else _encoder.encode(value)


def _step(key: str) -> str:
    """Return a key as a step of a path. It may be long, and of a class of somebody's own."""
    return f"[{_shown.repr(str.__str__(key))}]"


def _unreadable(path: str, error: Exception) -> Exception:
    """Return the error for a dict, list or text of a class whose own methods fail."""
    if isinstance(error, MemoryError):
        return error
    return NotJSONSerializable(
        f"{path} cannot be read as JSON: {type(error).__name__} was raised meanwhile. Write a plain dict, list or"
        " string, which no other thread changes"
    )


def _check_key(key: Any) -> None:
    if type(key) is str and key.isascii():
        return
    if not issubclass(type(key), str):
        raise NotJSONSerializable(f"context was given the key {_described(key)}. Keys are strings: str(key)")
    try:
        str.encode(key)
    except UnicodeEncodeError:
        raise NotJSONSerializable(f"context was given the key {_step(key)[1:-1]}. {_SURROGATE}") from None


def _described(key: object) -> str:
    """Return a key that is no string, in words. The repr of other classes than these may do anything."""
    kind = type(key)
    _, name = full_name(kind)
    return f"{key!r} ({name})" if kind in _PLAIN else f"of the type {name}"


def _check(value: Any, depth: int) -> None:
    """Refuse what JSON cannot hold.

    Raises:
        _Refused: With the reason, and the steps that lead to the place.
    """
    kind: Any = type(value)  # pyright: ignore[reportUnknownVariableType] - it may be any
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
    elif kind is dict:
        _check_items(value, depth + 1)
    elif kind is list or kind is tuple:
        _check_elements(value, depth + 1)
    else:
        _check_other(kind, value, depth)


def _check_other(kind: Any, value: Any, depth: int) -> None:
    # The class itself is asked: what an object says of its class may be another one's, as for a proxy, or raise.
    if issubclass(kind, dict):
        _check_items(value, depth + 1)
    elif issubclass(kind, list | tuple):
        _check_elements(value, depth + 1)
    elif issubclass(kind, str):
        _check_text(value)
    elif issubclass(kind, int):
        _check_digits(value)
    elif issubclass(kind, float):
        _check(float.__float__(value), depth)
    else:
        raise _Refused(f"is a {full_name(kind)[1]}, which JSON cannot hold. {mend_for(kind)}")


def _check_items(value: dict[Any, Any], depth: int) -> None:
    _check_depth(depth)
    for key, item in value.items():
        if type(key) is not str and not issubclass(type(key), str):
            raise _Refused(f"has the key {_described(key)}. The keys of a JSON object are strings: str(key)")
        try:
            if type(key) is not str or not key.isascii():
                _check_text(key)
            _check(item, depth)
        except _Refused as refused:
            refused.steps.append(_step(key))
            raise


def _check_elements(value: list[Any] | tuple[Any, ...], depth: int) -> None:
    _check_depth(depth)
    for index, item in enumerate(value):
        try:
            _check(item, depth)
        except _Refused as refused:
            refused.steps.append(f"[{index}]")
            raise


def _check_depth(depth: int) -> None:
    if depth > MAXIMUM_DEPTH:
        raise _Refused(f"is nested more than {MAXIMUM_DEPTH} levels deep, or contains itself")


def _check_text(value: str) -> None:
    try:
        str.encode(value)
    except UnicodeEncodeError:
        raise _Refused(f"is {reprlib.repr(value)}. {_SURROGATE}") from None


def _check_digits(value: int) -> None:
    try:
        int.__repr__(value)
    except ValueError:
        raise _Refused(
            "is an integer of more digits than Python converts to text. Write it as text: hex(value)"
        ) from None
