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
from typing import TYPE_CHECKING, Any, Final, TypeGuard, cast

from cloacina.errors import NotJSONSerializable

if TYPE_CHECKING:
    from collections.abc import Mapping

MAXIMUM_DEPTH: Final = 200
"""How many lists and objects may be nested in each other; a container that contains itself is deeper than that."""

_SHOWN_STEPS: Final = 20
_SMALL_INT: Final = 1 << 63
_SURROGATE: Final = "It holds half of a surrogate pair, which no text file can store; decode the text it came from anew"

# The depth is checked before encoding, so the encoder need not look for cycles.
_encoder: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
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


def decode(text: str) -> Any:
    """Return the value of a JSON text that `encode` made."""
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
        raise refused.error(f"context[{key!r}]") from None


def check_item(key: str, value: Any) -> None:
    """Refuse a key and a value that a context cannot hold.

    Raises:
        NotJSONSerializable: The key is not a string, or JSON cannot hold the value; the message names its path.
    """
    _check_key(key)
    try:
        _check(value, 0)
    except _Refused as refused:
        raise refused.error(f"context[{key!r}]") from None


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
    return _encoder.encode(value)


def _check_key(key: object) -> None:
    if not isinstance(key, str):
        raise NotJSONSerializable(f"context was given the key {key!r} ({type(key).__name__}). Keys are strings")
    if not key.isascii():
        try:
            key.encode()
        except UnicodeEncodeError:
            raise NotJSONSerializable(f"context was given the key {key!r}. {_SURROGATE}") from None


def _check(value: Any, depth: int) -> None:
    """Refuse what JSON cannot hold.

    Raises:
        _Refused: With the reason, and the steps that lead to the place.
    """
    if type(value) is str:
        if not value.isascii():
            _check_text(value)
    elif type(value) is int:
        if not -_SMALL_INT < value < _SMALL_INT:
            _check_digits(value)
    elif value is None or type(value) is bool:
        pass
    elif type(value) is float:
        if not isfinite(value):
            raise _Refused(f"is {value}, and JSON has no such number. Use None, or a string")
    elif _is_object(value):
        _check_items(value, depth + 1)
    elif _is_array(value):
        _check_elements(value, depth + 1)
    elif isinstance(value, str):
        _check_text(value)
    elif isinstance(value, int):
        _check_digits(value)
    elif isinstance(value, float):
        _check(float(value), depth)
    else:
        kind = cast("type[object]", type(value))
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


def _is_object(value: object) -> TypeGuard[dict[Any, Any]]:
    return isinstance(value, dict)


def _is_array(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    return isinstance(value, list | tuple)


def _check_items(value: dict[Any, Any], depth: int) -> None:
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
        value.encode()
    except UnicodeEncodeError:
        raise _Refused(f"is {reprlib.repr(value)}. {_SURROGATE}") from None


def _check_digits(value: int) -> None:
    try:
        int.__repr__(value)
    except ValueError:
        raise _Refused(
            "is an integer of more digits than Python converts to text. Write it as text: hex(value)"
        ) from None
