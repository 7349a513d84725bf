"""Whether a JSON value satisfies a JSON Schema, as pydantic writes it for a model.

A question is answered from processes that know its schema and not its model. All keywords that pydantic writes are
here; any other is a remark and forbids nothing, as in the standard. The tests compare it with the package `jsonschema`,
whose import takes as long as that of the whole engine.

Source: JSON Schema 2020-12, core and validation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from fractions import Fraction
from typing import Any, Final, TypeAlias, TypeGuard, cast
from uuid import UUID

Schema: TypeAlias = Mapping[str, Any] | bool

_SHOWN: Final = 80


def violation(value: Any, schema: Schema, path: str) -> str | None:
    """Return in what a value does not satisfy a schema, in words; None when it does.

    Args:
        value: A JSON value.
        schema: What it has to satisfy.
        path: What to call the value.

    Example:
        ```python
        from cloacina.json_schema import violation

        print(violation({"rows": [1, "x"]}, {"properties": {"rows": {"items": {"type": "integer"}}}}, "answer"))
        #> answer['rows'][1] is "x"; expected an integer
        ```
    """
    try:
        _Check(schema).value(value, schema, path)
    except _Violated as violated:
        return str(violated)
    return None


class _Violated(Exception):
    """A value that does not satisfy its schema, how deep it lies, and what was expected in its place."""

    def __init__(self, path: str, found: str, expected: str) -> None:
        super().__init__(f"{path} {found}; expected {expected}")
        self.path = path
        self.found = found
        self.expected = expected


class _Check:
    """A check against one schema, whose definitions its parts refer to."""

    def __init__(self, root: Schema) -> None:
        self._root = root

    def value(self, value: Any, schema: Schema, path: str) -> None:
        """Check a value.

        Raises:
            _Violated: It does not satisfy the schema.
        """
        if isinstance(schema, bool):
            if not schema:
                raise _Violated(path, f"is {_shown(value)}", "nothing")
            return
        for keyword, (kind, holds, expected) in _RULES.items():
            if keyword in schema and _is_a(kind, value) and not holds(value, schema[keyword]):
                raise _Violated(path, f"is {_shown(value)}", expected(schema[keyword]))
        if "$ref" in schema:
            self.value(value, self._definition(schema["$ref"]), path)
        for part in schema.get("allOf", ()):
            self.value(value, part, path)
        if "anyOf" in schema:
            self._alternatives(value, schema["anyOf"], path)
        if "oneOf" in schema and self._alternatives(value, schema["oneOf"], path) > 1:
            raise _Violated(path, f"is {_shown(value)}", "one of several forms, and it has more than one")
        if _is_object(value):
            self._object(value, schema, path)
        elif _is_array(value):
            self._array(value, schema, path)

    def _definition(self, reference: str) -> Schema:
        found: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            found = found[step.replace("~1", "/").replace("~0", "~")]
        return found  # type: ignore[no-any-return]

    def _alternatives(self, value: Any, schemas: list[Schema], path: str) -> int:
        """Return how many schemas a value satisfies, which has to be one at least."""
        violations: list[_Violated] = []
        for schema in schemas:
            try:
                self.value(value, schema, path)
            except _Violated as violated:
                violations.append(violated)
        if len(violations) == len(schemas):
            # The one that came farthest is the form that was meant.
            deepest = max(violations, key=lambda violated: len(violated.path))
            expected = dict.fromkeys(each.expected for each in violations if each.path == deepest.path)
            raise _Violated(deepest.path, deepest.found, " or ".join(expected))
        return len(schemas) - len(violations)

    def _object(self, value: dict[str, Any], schema: Mapping[str, Any], path: str) -> None:
        for name in schema.get("required", ()):
            if name not in value:
                raise _Violated(path, f"has no {name!r}", "it to be there")
        properties = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        for name, item in value.items():
            step = f"{path}[{name!r}]"
            if "propertyNames" in schema:
                self.value(name, schema["propertyNames"], f"the key {name!r} of {path}")
            parts = [part for pattern, part in patterns.items() if _matches(name, pattern)]
            if name in properties:
                parts.append(properties[name])
            if not parts and (rest := schema.get("additionalProperties", True)) is not True:
                if rest is False:
                    raise _Violated(path, f"has {name!r}", f"no key but {', '.join(map(repr, properties)) or 'none'}")
                parts.append(rest)
            for part in parts:
                self.value(item, part, step)

    def _array(self, value: list[Any], schema: Mapping[str, Any], path: str) -> None:
        first = schema.get("prefixItems", [])
        for index, item in enumerate(value):
            part = first[index] if index < len(first) else schema.get("items", True)
            if part is False:
                raise _Violated(path, f"has {len(value)} items", f"at most {index}")
            self.value(item, part, f"{path}[{index}]")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


# ── What a keyword asks of a value, whatever is inside of it ─────────────────────────────────────────────────────────

# The type of JSON that it is about, with `number` for both kinds; whether it holds; and what is expected, in words.
_Rule: TypeAlias = tuple[str, Callable[[Any, Any], bool], Callable[[Any], str]]

_TYPES: Final[Mapping[str, tuple[type | tuple[type, ...], str]]] = {
    "null": (type(None), "null"),
    "boolean": (bool, "true or false"),
    "integer": ((int, float), "an integer"),
    "number": ((int, float), "a number"),
    "string": (str, "a string"),
    "array": (list, "a list"),
    "object": (dict, "an object"),
}


def _is_a(kind: str, value: Any) -> bool:
    if kind == "any":
        return True
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind][0]) and (kind != "integer" or int(cast("float", value)) == value)


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_array(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _kinds(types: str | list[str]) -> list[str]:
    return [types] if isinstance(types, str) else types


def _is_same(value: Any, other: Any) -> bool:
    """Return whether two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    if _is_array(value) and _is_array(other):
        return len(value) == len(other) and all(map(_is_same, value, other))
    if _is_object(value) and _is_object(other):
        return value.keys() == other.keys() and all(_is_same(item, other[key]) for key, item in value.items())
    return bool(value == other)


def _is_unique(items: list[Any]) -> bool:
    return not any(_is_same(item, other) for index, item in enumerate(items) for other in items[:index])


def _is_multiple(value: float, of: float) -> bool:
    return (Fraction(str(value)) / Fraction(str(of))).denominator == 1  # As written: 0.3 is a multiple of 0.1.


# Of the formats that pydantic writes, those that the standard library reads. The others the model decides about.
_FORMATS: Final[Mapping[str, Callable[[str], object]]] = {
    "date": date.fromisoformat,
    "date-time": datetime.fromisoformat,
    "time": time.fromisoformat,
    "uuid": UUID,
}


def _matches(value: str, pattern: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:  # Of another dialect: the model decides.
        return True


def _has_format(value: str, name: str) -> bool:
    try:
        _FORMATS.get(name, str)(value)
    except ValueError:
        return False
    return True


_RULES: Final[Mapping[str, _Rule]] = {
    "type": (
        "any",
        lambda value, types: any(_is_a(kind, value) for kind in _kinds(types)),
        lambda types: " or ".join(_TYPES[kind][1] for kind in _kinds(types)),
    ),
    "enum": (
        "any",
        lambda value, words: any(_is_same(value, word) for word in words),
        lambda words: f"one of {', '.join(map(_shown, words))}",
    ),
    "const": ("any", _is_same, _shown),
    "minimum": ("number", lambda value, least: value >= least, lambda least: f"at least {least}"),
    "exclusiveMinimum": ("number", lambda value, bound: value > bound, lambda bound: f"more than {bound}"),
    "maximum": ("number", lambda value, most: value <= most, lambda most: f"at most {most}"),
    "exclusiveMaximum": ("number", lambda value, bound: value < bound, lambda bound: f"less than {bound}"),
    "multipleOf": ("number", _is_multiple, lambda of: f"a multiple of {of}"),
    "minLength": ("string", lambda value, least: len(value) >= least, lambda least: f"at least {least} characters"),
    "maxLength": ("string", lambda value, most: len(value) <= most, lambda most: f"at most {most} characters"),
    "pattern": (
        "string",
        _matches,
        lambda pattern: f"it to match {pattern}",
    ),
    "format": ("string", _has_format, lambda name: f"a {name}"),
    "minItems": ("array", lambda value, least: len(value) >= least, lambda least: f"at least {least} items"),
    "maxItems": ("array", lambda value, most: len(value) <= most, lambda most: f"at most {most} items"),
    "uniqueItems": ("array", lambda value, is_asked: not is_asked or _is_unique(value), lambda _: "no item twice"),
    "minProperties": ("object", lambda value, least: len(value) >= least, lambda least: f"at least {least} keys"),
    "maxProperties": ("object", lambda value, most: len(value) <= most, lambda most: f"at most {most} keys"),
}
