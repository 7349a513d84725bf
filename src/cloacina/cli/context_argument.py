"""`--context`: a JSON object, or @ and the file that holds one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn, cast

from cloacina.errors import InvalidContextArgument


def read_context(argument: str | None) -> dict[str, Any]:
    """Return the initial context of an execution.

    Args:
        argument: JSON text, `@file`, or `@-` for standard input; None for an empty context.

    Raises:
        InvalidContextArgument: The file cannot be read, or the text is not a JSON object.
    """
    if argument is None:
        return {}
    source, text = _read(argument)
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidContextArgument(
            f'{source} is not valid JSON ({error.msg} at {place}); expected an object such as \'{{"key": "value"}}\'.'
        ) from error
    except ValueError as error:
        raise InvalidContextArgument(f"{source} holds {error}, which is not JSON.") from error
    except RecursionError as error:
        raise InvalidContextArgument(f"{source} is nested too deeply; expected a JSON object.") from error
    if not isinstance(value, dict):
        raise InvalidContextArgument(
            f'{source} holds {_kind(value)}; expected a JSON object such as \'{{"key": "value"}}\'.'
        )
    return cast("dict[str, Any]", value)


def _read(argument: str) -> tuple[str, str]:
    if not argument.startswith("@"):
        return "--context", argument
    name = argument[1:]
    try:
        if name == "-":
            return "standard input", sys.stdin.read()
        return name, Path(name).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidContextArgument(f"The file {name!r} of --context cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidContextArgument(f"The file {name!r} of --context is not UTF-8 text.") from error


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(text)


def _kind(value: object) -> str:
    names: dict[type, str] = {
        list: "a list",
        str: "a string",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), "null")
