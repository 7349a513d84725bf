"""What signals and answers carry: JSON, validated by the type that the task expects."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from cloacina.context import decode
from cloacina.membrane import describe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import TypeAdapter


# An approval, the most frequent of all, does without pydantic: its import would block the event loop for long.
_BOOLEANS: Final = {"true": True, "false": False}


def has_to_load(models: Iterable[Any]) -> bool:
    """Return whether `load` has something to do before payloads are validated by these models."""
    return "pydantic" not in sys.modules and any(model is not None and model is not bool for model in models)


def load() -> None:
    """Import what validates payloads, which takes a while, the first time."""
    import_module("pydantic")


class InvalidPayload(ValueError):
    """Raised when a payload is not of the type that is expected; its text says where and why."""


def validated(model: Any, payload: str | None) -> Any:
    """Return a payload as the type that is expected.

    Args:
        model: Any type that pydantic knows; None for any JSON value.
        payload: JSON; None for nothing.

    Raises:
        InvalidPayload: It is not of that type.
    """
    if model is None:
        return None if payload is None else decode(payload)
    if model is bool and payload in _BOOLEANS:
        return _BOOLEANS[payload]
    from pydantic import ValidationError  # noqa: PLC0415 - only who has a model pays for it

    try:
        return _adapter(model).validate_json(payload or "null")
    except ValidationError as error:
        raise InvalidPayload(_told(error)) from None
    except Exception as error:
        raise InvalidPayload(f"its model raised {describe(error)}") from error


def dumped(model: Any, value: Any) -> str:
    """Return a value as JSON text by the type that is expected of it.

    Raises:
        InvalidPayload: It is not of that type.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - as above
    from pydantic_core import PydanticSerializationError  # noqa: PLC0415 - as above

    adapter = _adapter(model)
    try:
        text = adapter.dump_json(adapter.validate_python(value), by_alias=True).decode()
        adapter.validate_json(text)
    except ValidationError as error:
        raise InvalidPayload(_told(error)) from None
    except PydanticSerializationError as error:
        raise InvalidPayload(str(error)) from None
    return text


def schema_of(model: Any) -> dict[str, Any]:
    """Return the JSON Schema of a type; that of any value for None."""
    if model is bool:
        return {"type": "boolean"}
    return {} if model is None else _adapter(model).json_schema(by_alias=True)


def _told(error: Any) -> str:
    return "; ".join(
        f"{'.'.join(map(str, detail['loc'])) or 'the value'}: {detail['msg']}"
        for detail in error.errors(include_url=False, include_input=False)
    )


@lru_cache(maxsize=256)
def _adapter(model: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # noqa: PLC0415 - as above

    return TypeAdapter(model)
