"""The types of the manifest's fields: what each may hold, said in the models, in errors and in the JSON Schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from keyword import iskeyword
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic_core import PydanticCustomError, core_schema

from cloacina.errors import join_names
from cloacina.packaging.manifest.strict_json import show
from cloacina.packaging.targets import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue


# What an identifier is depends on Unicode, of which JSON Schema knows nothing: its patterns refuse wrong ASCII only.
_FIRST: Final = r"[^\x00-@\[-^`{-\x7f]"
_IDENTIFIER: Final = rf"{_FIRST}[^\x00-/:-@\[-^`{{-\x7f]*"
_MODULE: Final = rf"{_IDENTIFIER}(\.{_IDENTIFIER})*"

PYTHON_FUNCTION_PATTERN: Final = f"^{_MODULE}:{_IDENTIFIER}$"
"""The JSON Schema pattern of a Python function path."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text of a field: what is expected, how it is checked, and how the JSON Schema says so.

    Attributes:
        expected: What an error message says was expected.
        is_valid: Whether a text is what is expected.
        schema: The keywords that the JSON Schema gets.
    """

    expected: str
    is_valid: Callable[[str], bool]
    schema: tuple[tuple[str, Any], ...] = ()

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Let pydantic check the text after it has found that it is one."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Add the keywords to the schema of a string, and as a comment what they cannot say."""
        return {**handler(schema), **dict(self.schema), "$comment": self.expected}

    def _check(self, text: str) -> str:
        if not self.is_valid(text):
            raise PydanticCustomError("text", "is {shown}; expected {expected}", self._details(text))
        return text

    def _details(self, text: str) -> dict[str, Any]:
        return {"shown": show(text), "expected": self.expected}


@dataclass(frozen=True, slots=True)
class _PlatformText(Text):
    def _details(self, text: str) -> dict[str, Any]:
        close = get_close_matches(text, PLATFORMS, n=1)
        expected = f"{self.expected}, so probably {close[0]!r}" if close else self.expected
        return {"shown": show(text), "expected": expected}


def is_function_path(text: str) -> bool:
    """Return whether a text names a function of a module: ``module.path:name``."""
    module, colon, name = text.partition(":")
    return bool(colon) and _is_module(module) and _is_identifier(name)


def _is_module(text: str) -> bool:
    return all(_is_identifier(part) for part in text.split("."))


def _is_identifier(text: str) -> bool:
    return text.isidentifier() and not iskeyword(text)


def _is_specifier(text: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415 - not needed for a Rust package

    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True


def _is_moment(text: str) -> bool:
    match = re.fullmatch(_MOMENT, text, re.ASCII)
    if match is None:
        return False
    try:
        datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")  # noqa: DTZ007 - what is asked is whether there is such a day
    except ValueError:
        return False
    return True


def _is_relative_path(text: str) -> bool:
    parts = text.split("/")
    return (
        len(text) <= _LONGEST_PATH
        and not {"", ".", ".."}.intersection(parts)
        and text.isprintable()
        and not {"\\", ":"}.intersection(text)
    )


def _is_symbol(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_FUNCTION and text.isprintable() and " " not in text


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


_LONGEST_PATH: Final = 1024
_LONGEST_FUNCTION: Final = 512
_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?"
_VERSION: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._+!-]{0,126}[A-Za-z0-9])?"
_MOMENT: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z"

PackageName = Annotated[
    str,
    Text(
        "1 to 128 ASCII letters, digits, '.', '_' and '-', the first and the last a letter or digit",
        _matches(_NAME),
        (("pattern", f"^{_NAME}$"),),
    ),
]
"""A package's name, which is part of its file's name."""

PackageVersion = Annotated[
    str,
    Text(
        "1 to 128 ASCII letters, digits, '.', '_', '-', '+' and '!', the first and the last a letter or digit",
        _matches(_VERSION),
        (("pattern", f"^{_VERSION}$"),),
    ),
]
"""A package's version, which is part of its file's name."""

Sha256 = Annotated[
    str,
    Text("64 hexadecimal digits in lower case", _matches("[0-9a-f]{64}"), (("pattern", "^[0-9a-f]{64}$"),)),
]
"""A SHA-256 digest."""

Fingerprint = Annotated[
    str,
    Text(
        "64 hexadecimal digits in lower case",
        _matches("([0-9a-f]{64})?"),  # empty until it is known
        (("pattern", "^[0-9a-f]{64}$"),),
    ),
]
"""A package's fingerprint, or an empty text in a manifest that is being made."""

PlatformName = Annotated[
    str, _PlatformText(f"one of {join_names(PLATFORMS)}", PLATFORMS.__contains__, (("enum", PLATFORMS),))
]
"""The name of a platform."""

Abi = Annotated[
    str, Text("the tag of a CPython, such as 'cp311'", _matches("cp3[0-9]{2}"), (("pattern", "^cp3[0-9]{2}$"),))
]
"""The binary interface of a CPython."""

TaskId = Annotated[
    str,
    Text(
        "1 to 128 letters, digits, '_', '-' and '.', the first a letter or '_'",
        _matches(r"[^\W\d][\w.-]{0,127}"),
        (("pattern", rf"^{_FIRST}[^\x00-,/:-@\[-^`{{-\x7f]{{0,127}}$"),),
    ),
]
"""The id of a task; the rule is that of `@task`."""

FunctionPath = Annotated[
    str,
    Text(
        "a function such as 'module.path:name', without spaces",
        _is_symbol,
        (("minLength", 1), ("maxLength", _LONGEST_FUNCTION)),
    ),
]
"""Where a task's function is: a path for Python, a symbol for Rust."""

ModuleName = Annotated[
    str, Text("the name of a Python module, such as 'package.module'", _is_module, (("pattern", f"^{_MODULE}$"),))
]
"""The dotted name of a Python module."""

PythonSpecifier = Annotated[str, Text("a version specifier, such as '>=3.11'", _is_specifier)]
"""A version specifier, as in requires-python."""

RelativePath = Annotated[
    str,
    Text(
        "a path inside of the package with '/' between its parts, such as 'lib/libworkflow.so'",
        _is_relative_path,
        (("minLength", 1), ("maxLength", _LONGEST_PATH), ("pattern", r"^[^/\\:][^\\:]*$")),
    ),
]
"""A path inside of the package."""

Moment = Annotated[
    str,
    Text("a moment of UTC, such as '2026-11-21T09:30:00Z'", _is_moment, (("pattern", f"^{_MOMENT}$"),)),
]
"""A moment as RFC 3339 writes it, in UTC."""
