"""Whatever is in manifest.json, it is a manifest or is refused as what it is, and the JSON Schema agrees."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from hypothesis import given, strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from cloacina.errors import InvalidManifest, UnsupportedManifest
from cloacina.packaging.manifest.json_schema import manifest_json_schema
from cloacina.packaging.manifest.models import Manifest, parse_manifest, render_manifest
from manifest_samples import PYTHON, RUST, change, document, parse

SCHEMA = Draft202012Validator(manifest_json_schema())

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["2", "python", "rust", "a:b"]),
    lambda values: st.lists(values) | st.dictionaries(st.text() | st.sampled_from(sorted(document())), values),
    max_leaves=10,
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    steps: list[Any] = (
        list(value) if isinstance(value, dict) else list(range(len(value)) if isinstance(value, list) else ())
    )
    return [path, *(place for step in steps for place in places(value[step], (*path, step)))]


def parses_or_is_refused(data: bytes) -> None:
    try:
        manifest = parse_manifest(data)
    except (InvalidManifest, UnsupportedManifest):
        return
    assert parse_manifest(render_manifest(manifest)) == manifest


@given(st.binary())
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    parses_or_is_refused(data)


@given(ANYTHING)
def test_any_json_is_parsed_or_refused(value: Any) -> None:
    parses_or_is_refused(json.dumps(value).encode())


@given(st.sampled_from([PYTHON, RUST]), st.data())
def test_manifest_with_anything_in_any_place_is_parsed_or_refused(manifest: Manifest, data: st.DataObject) -> None:
    changed = deepcopy(document(manifest))
    path = data.draw(st.sampled_from(places(changed)[1:]))
    change(*path, to=data.draw(ANYTHING))(changed)
    parses_or_is_refused(json.dumps(changed).encode())


@given(st.data())
def test_manifest_with_any_byte_changed_is_parsed_or_refused(data: st.DataObject) -> None:
    changed = bytearray(render_manifest(PYTHON))
    for place in data.draw(st.lists(st.integers(0, len(changed) - 1), min_size=1, max_size=3)):
        changed[place] = data.draw(st.integers(0, 255))
    parses_or_is_refused(bytes(changed))


@given(st.sampled_from([PYTHON, RUST]), st.data())
def test_schema_accepts_every_manifest_that_the_models_accept(manifest: Manifest, data: st.DataObject) -> None:
    changed = deepcopy(document(manifest))
    path = data.draw(st.sampled_from(places(changed)[1:]))
    change(*path, to=data.draw(ANYTHING))(changed)
    try:
        parse(changed)
    except (InvalidManifest, UnsupportedManifest):
        return
    SCHEMA.validate(changed)
