"""JSON on the command line: the text itself, or @ and the file that holds it."""

from __future__ import annotations

import codecs
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn, cast

from cloacina.errors import InvalidJSONArgument

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class _NotJSON(Exception):
    """What Python's own parser reads, and JSON does not hold; the message tells what was found."""


def read_context(argument: str | None) -> dict[str, Any]:
    """Return the initial context of an execution, given by `--context`; empty for None. See `read_json`.

    Raises:
        InvalidJSONArgument: The file cannot be read, or the text is not a JSON object.
    """
    if argument is None:
        return {}
    source, value = _parse(argument, "--context", 'an object such as \'{"key": "value"}\'')
    if not isinstance(value, dict):
        raise InvalidJSONArgument(
            f'{source} holds {_kind(value)}; expected a JSON object such as \'{{"key": "value"}}\'.'
        )
    return cast("dict[str, Any]", value)


def read_json(argument: str, name: str) -> Any:
    """Return a JSON value.

    Args:
        argument: JSON text, `@file`, or `@-` for standard input. Bytes are UTF-8, whatever the locale is.
        name: What the argument is called in the command's help.

    Raises:
        InvalidJSONArgument: The file cannot be read, or the text is not JSON.
    """
    _, value = _parse(argument, name, 'a value such as 3, true, \'"a text"\' or \'{"key": "value"}\'')
    return value


def _parse(argument: str, name: str, expected: str) -> tuple[str, object]:
    """Return where a value was found, and the value."""
    source, text = _read(argument, name)
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_without_repetition)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if text.strip() else "an empty text"
        raise InvalidJSONArgument(
            f"{source} is not valid JSON ({error.msg} at {place}); expected {expected}."
        ) from error
    except _NotJSON as found:
        raise InvalidJSONArgument(f"{source} holds {found}.") from None
    except ValueError as error:
        raise InvalidJSONArgument(
            f"{source} holds a number of more digits than Python reads; write it as a string."
        ) from error
    except RecursionError as error:
        raise InvalidJSONArgument(f"{source} is nested too deeply; expected {expected}.") from error
    return source, value


def _read(argument: str, name: str) -> tuple[str, str]:
    if not argument.startswith("@"):
        # Under a locale that is not UTF-8's, Python keeps the bytes that it cannot decode.
        return name, _decoded(name, os.fsencode(argument)) if _holds_bytes(argument) else argument
    file = argument[1:]
    source = "standard input" if file == "-" else f"The file {file!r} of {name}"
    try:
        content = _standard_input(name) if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise InvalidJSONArgument(f"{source} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # A name with a null byte.
        raise InvalidJSONArgument(f"{source} cannot be read: {error}.") from error
    return "standard input" if file == "-" else file, _decoded(source, content)


def _standard_input(name: str) -> bytes:
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison] - as services start programs
        raise InvalidJSONArgument(
            f'standard input is closed; give {name} itself, as \'{{"key": "value"}}\', or a file, @FILE.'
        )
    binary = getattr(sys.stdin, "buffer", None)
    return sys.stdin.read().encode() if binary is None else binary.read()


def _holds_bytes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _decoded(source: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02x} in line {line}"
        if content.startswith(_UTF_16):
            found = "it begins as UTF-16 does, which some shells write"
        raise InvalidJSONArgument(f"{source} is not UTF-8 text ({found}); store it as UTF-8.") from error


def _refuse_constant(text: str) -> NoReturn:
    raise _NotJSON(f"{text}, which is not JSON")


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise _NotJSON(f"the key {twice!r} twice in one object, and only one of its values could be kept")
    return found


def _kind(value: object) -> str:
    names: dict[type, str] = {
        list: "a list",
        str: "a string",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), "null")
