"""Large values as JSON text, in parts.

The json module keeps the interpreter to itself until a value is encoded or decoded as a whole, and meanwhile no other
thread goes on, that of the event loop neither. Between parts it does. (Measured with a list of 50 MB: the loop stands
still for 40 ms in place of 520 while it is encoded, and for 12 ms in place of 230 while it is decoded.)
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

LARGE_TEXT: Final = 1 << 20
"""From how many characters on a text is decoded in parts."""
PART: Final = 1_000
"""How many items a part has. A container of more is large."""

_FEW: Final = 16
_LIGHT: Final = 1_000_000
_ITEM: Final = 100  # So many characters take as long as one item.
_SCALARS: Final = frozenset({int, float, bool, type(None)})
# Not raw_decode(), which takes as long again to be called as most values to be decoded.
_scan: Final[Callable[[str, int], tuple[Any, int]]] = cast("Any", json.JSONDecoder()).scan_once


def is_large(value: Any) -> bool:
    """Return whether a value, or one that is among few others in it, has many items."""
    kind = cast("type[object]", type(value))
    if kind is dict:
        items = value.values()
    elif kind is list or kind is tuple:
        items = value
    else:
        return False
    return len(value) > PART or (len(value) <= _FEW and any(map(is_large, items)))


def is_heavy(values: Collection[Any]) -> bool:
    """Return whether to encode values takes more than a few milliseconds, or runs code of the user's; itself quick."""
    left = _LIGHT - len(values) * _ITEM
    pending: list[Iterable[Any]] = [values]
    for items in pending:  # It grows meanwhile.
        for item in items:
            kind: Any = type(item)  # pyright: ignore[reportUnknownVariableType] - it may be any
            if kind in _SCALARS:
                continue
            if kind is str:
                left -= len(item)
            elif kind is dict or kind is list or kind is tuple:
                left -= len(item) * _ITEM
                pending.append(item.values() if kind is dict else item)
            elif issubclass(kind, dict | list | tuple):
                return True
            if left < 0:
                return True
    return left < 0


def encode_large(value: Any, encode: Callable[[Any], str]) -> str:
    """Return the JSON text of a value, which is that of its parts in one.

    Args:
        value: The value.
        encode: Returns the JSON text of a value, without spaces.
    """
    if not is_large(value):
        return encode(value)
    if type(value) is dict:
        return _encode_object(value, encode)  # pyright: ignore[reportUnknownArgumentType] - it may hold any
    return _encode_array(value, encode)


def _encode_object(members: dict[Any, Any], encode: Callable[[Any], str]) -> str:
    if len(members) > PART:
        return f"{{{','.join([encode(dict(part))[1:-1] for part in _parts(iter(members.items()))])}}}"
    return f"{{{','.join([f'{encode(key)}:{encode_large(item, encode)}' for key, item in members.items()])}}}"


def _encode_array(items: Sequence[Any], encode: Callable[[Any], str]) -> str:
    if len(items) > PART:
        return f"[{','.join([encode(part)[1:-1] for part in _parts(iter(items))])}]"
    return f"[{','.join([encode_large(item, encode) for item in items])}]"


def _parts(items: Iterator[Any]) -> Iterator[list[Any]]:
    while part := list(islice(items, PART)):
        yield part


def decode_large(text: str) -> Any:
    """Return the value of a text that `encode_large` made."""
    return _decode(text, 0)[0]


def _decode(text: str, at: int) -> tuple[Any, int]:
    """Return the value that begins at a place, and the place behind it."""
    if text.startswith("[", at):
        return _decode_array(text, at + 1)
    if text.startswith("{", at):
        return _decode_object(text, at + 1)
    return _scan(text, at)


def _decode_array(text: str, at: int) -> tuple[list[Any], int]:
    values: list[Any] = []
    while not text.startswith("]", at):
        value, at = _scan(text, at)
        values.append(value)
        at += text.startswith(",", at)
    return values, at + 1


def _decode_object(text: str, at: int) -> tuple[dict[str, Any], int]:
    values: dict[str, Any] = {}
    while not text.startswith("}", at):
        key, at = _scan(text, at)
        # What is among few others may be large itself.
        decode = _decode if len(values) < _FEW else _scan
        values[key], at = decode(text, at + 1)
        at += text.startswith(",", at)
    return values, at + 1
