"""Read JSON that a stranger may have written: one meaning for each document, or an error.

Python's reader takes the last of two equal keys, `NaN`, numbers of any length and halves of surrogate pairs. Another
program reads such a document otherwise, and a fingerprint over it would not say what is in it. All of that is refused.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections import Counter
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from cloacina.errors import InvalidManifest

if TYPE_CHECKING:
    from collections.abc import Iterator

MAXIMUM_BYTES: Final = 16 * 1024 * 1024
"""How large a document may be."""

MAXIMUM_DEPTH: Final = 100
"""How many arrays and objects may be nested in each other."""

MAXIMUM_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader holds exactly (RFC 8785)."""

_LONGEST_INTEGER: Final = len(str(-MAXIMUM_INTEGER))
_SHOWN: Final = 60


class _Refused(Exception):
    """What is wrong with a document; passes through the decoder, which calls the functions below."""


def read_object(data: bytes, name: str) -> dict[str, Any]:
    """Return the JSON object that a file holds.

    Args:
        data: The file's bytes.
        name: The file's name, for error messages.

    Raises:
        InvalidManifest: The file is not UTF-8, not JSON, not an object, or means different things to different readers:
            it repeats a key, or holds a number or a text that not every reader can hold.
    """
    try:
        return _read(data)
    except _Refused as refused:
        raise InvalidManifest(f"{name} {refused}. Build the package again, or get it again from who built it") from None


def show(value: object) -> str:
    """Return a value as short JSON of printable ASCII, for an error message; of what is nested, only its kind."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "an array"
    return _clip(json.dumps(value[:_SHOWN] if isinstance(value, str) else value))


def _read(data: bytes) -> dict[str, Any]:
    if len(data) > MAXIMUM_BYTES:
        raise _Refused(f"has {len(data):,} bytes, and may have {MAXIMUM_BYTES:,}")
    if data.startswith(BOM_UTF8):
        raise _Refused("begins with a byte order mark; expected UTF-8 without one")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Refused(f"is not UTF-8: byte {error.start} cannot be decoded") from None
    try:
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise _Refused(f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _Refused(f"is nested more than {MAXIMUM_DEPTH} levels deep") from None
    if not isinstance(document, dict):
        raise _Refused(f"holds {show(document)}; expected a JSON object")
    checked = cast("dict[str, Any]", document)
    _check(checked)
    return checked


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise _Refused(f"has the key {show(twice)} twice in one object")
    return result


def _constant(text: str) -> NoReturn:
    raise _Refused(f"holds {text}, and JSON has no such number")


def _float(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise _Refused(f"holds the number {_clip(text)}, which is larger than a JSON reader can hold")
    return number


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER or abs(number := int(text)) > MAXIMUM_INTEGER:
        raise _Refused(
            f"holds the integer {_clip(text)}, and JSON readers hold integers exactly up to {MAXIMUM_INTEGER} only"
        )
    return number


def _clip(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _check(document: dict[str, Any]) -> None:
    """Refuse what is nested too deep, and text that UTF-8 cannot hold; without recursion, as the depth is not known."""
    levels: list[Iterator[object]] = [iter((document,))]
    while levels:
        for value in levels[-1]:
            if isinstance(value, str):
                _check_text(value)
            elif isinstance(value, dict | list):
                if len(levels) > MAXIMUM_DEPTH:
                    raise _Refused(f"is nested more than {MAXIMUM_DEPTH} levels deep")
                levels.append(_items_of(cast("dict[str, object] | list[object]", value)))
                break
        else:
            levels.pop()


def _items_of(value: dict[str, object] | list[object]) -> Iterator[object]:
    if isinstance(value, list):
        return iter(value)
    for key in value:
        _check_text(key)
    return iter(value.values())


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Refused(f"holds the text {show(text)} with half of a surrogate pair, which no file can hold") from None
