"""The JSON Schema of the manifest, made of the models, for programs that are not written in Python."""

from __future__ import annotations

import json
from typing import Any, Final, cast

from cloacina.errors.base import DOCUMENTATION_URL
from cloacina.packaging.manifest.fields import PYTHON_FUNCTION_PATTERN
from cloacina.packaging.manifest.models import Manifest

SCHEMA_PATH: Final = "reference/manifest-v2.schema.json"
"""Where the schema is on the documentation site."""

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def manifest_json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of `manifest.json`.

    What it accepts is a valid manifest but for what JSON Schema cannot say: ids that are unique, dependencies that are
    known and form no cycle, builds that fit the targets, a day that is in the calendar, and the rules of identifiers
    beyond ASCII.

    Example:
        ```python
        from cloacina.packaging.manifest.json_schema import manifest_json_schema

        print(manifest_json_schema()["required"])
        #> ['format_version', 'package', 'language', 'tasks', 'created_at']
        ```
    """
    made = Manifest.model_json_schema()
    definitions = {name: _of_a_file(definition) for name, definition in made.pop("$defs").items()}
    definitions["PackageInfo"]["required"].insert(2, "fingerprint")
    body = _of_a_file(made)
    body["required"] = ["format_version", "package", "language", "tasks", "created_at"]
    for name in body["required"]:
        body["properties"][name].pop("default", None)
    body["oneOf"] = [_language("python", "rust"), _language("rust", "python")]
    body["oneOf"][0]["properties"]["tasks"] = {
        "items": {"properties": {"function": {"pattern": PYTHON_FUNCTION_PATTERN}}}
    }
    described = {
        "$schema": _DIALECT,
        "$id": f"{DOCUMENTATION_URL}/{SCHEMA_PATH}",
        "title": "Manifest of a Cloacina workflow package, version 2",
        "description": "What is in manifest.json. Unknown fields are allowed, and count in the fingerprint.",
    }
    # What is a tuple in a model is an array in a file.
    schema = json.loads(json.dumps({**described, **body, "$defs": definitions}))
    return cast("dict[str, Any]", schema)


def render_schema() -> bytes:
    """Return the schema as the file that the documentation site publishes."""
    return f"{json.dumps(manifest_json_schema(), indent=2)}\n".encode()


def _language(used: str, unused: str) -> dict[str, Any]:
    runtimes = {used: {"type": "object"}, unused: {"type": "null"}}
    return {"properties": {"language": {"const": used}, **runtimes}, "required": [used]}


def _of_a_file(definition: dict[str, Any]) -> dict[str, Any]:
    """Return a definition without what is about Python: the class's name and docstring, and the defaults of absence."""
    kept = {key: value for key, value in definition.items() if key not in {"title", "description"}}
    for field in kept.get("properties", {}).values():
        field.pop("title", None)
        if field.get("default") in (None, ""):
            field.pop("default", None)
    return kept
