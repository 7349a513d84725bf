"""The reference of the manifest, written from its models, and its JSON Schema as a file of the site."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

from cloacina.packaging.manifest.json_schema import SCHEMA_PATH, manifest_json_schema, render_schema
from docsite.generated.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mkdocs.config.defaults import MkDocsConfig

# In the order in which a reader comes across them.
_OBJECTS = {
    "PackageInfo": "package",
    "Build": "package.builds[]",
    "PythonRuntime": "python",
    "RustRuntime": "rust",
    "TaskEntry": "tasks[]",
}
_QUOTED = re.compile(r"'([^']*)'")
_TYPES = {"string": "text", "integer": "integer", "number": "number"}


def manifest_reference(_docs: Path) -> str:
    """Return the fields of the manifest and of each object in it, as Markdown."""
    return "\n".join(_lines(manifest_json_schema()))


def schema_file(config: MkDocsConfig) -> File:
    """Return the JSON Schema as a file of the site, to which pages can link."""
    return File.generated(config, SCHEMA_PATH, content=render_schema())


def _lines(schema: dict[str, Any]) -> Iterator[str]:
    yield "### The manifest itself\n"
    yield _fields(schema)
    for name, path in _OBJECTS.items():
        yield f"### `{path}`\n"
        yield _fields(schema["$defs"][name])


def _fields(definition: dict[str, Any]) -> str:
    required = definition["required"]
    rows = [
        (
            f"`{name}`",
            _type(field),
            "yes" if name in required else _default(field),
            field.get("description", "See below."),
        )
        for name, field in definition["properties"].items()
    ]
    return table(("Field", "Holds", "Required", "Meaning"), rows)


def _default(field: dict[str, Any]) -> str:
    default = field.get("default")
    return "no" if default in (None, []) else f"no, default `{default}`"


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return "an object"
    if choices := [choice for choice in field.get("anyOf", []) if choice.get("type") != "null"]:
        return _type(choices[0])
    if "const" in field:
        return f'`"{field["const"]}"`'
    if "$comment" in field:
        return _QUOTED.sub(r"`\1`", field["$comment"])
    if "enum" in field:
        return " or ".join(f'`"{choice}"`' for choice in field["enum"])
    if field.get("type") == "array":
        return f"an array, each entry {_type(field['items'])}{'; one entry or more' if field.get('minItems') else ''}"
    bounds = _bounds(field)
    return f"{_TYPES.get(field.get('type', ''), 'any JSON')}{f', {bounds}' if bounds else ''}"


def _bounds(field: dict[str, Any]) -> str:
    if "exclusiveMinimum" in field:
        return f"more than {field['exclusiveMinimum']}"
    return f"{field['minimum']} or more" if "minimum" in field else ""
