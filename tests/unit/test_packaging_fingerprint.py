"""The fingerprint is that of RFC 8785, covers every field but its own and the signature, and can be had without us."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, strategies as st

from cloacina.errors import InvalidManifest
from cloacina.packaging.manifest.fingerprint import fingerprint_of, with_fingerprint
from cloacina.packaging.manifest.models import (
    Build,
    Manifest,
    PackageInfo,
    PythonRuntime,
    TaskEntry,
    parse_manifest,
    read_document,
    render_manifest,
)

MANIFEST = Manifest(
    package=PackageInfo(
        name="report",
        version="1.0.0",
        targets=("linux-x86_64",),
        contents_sha256="ab" * 32,
        builds=(Build(platform="linux-x86_64", abi="cp311", floor="glibc 2.28"),),
    ),
    language="python",
    python=PythonRuntime(requires_python=">=3.11", entry_module="report.tasks"),
    tasks=(
        TaskEntry(id="fetch", function="report.tasks:fetch", retries=3, timeout_seconds=30),
        TaskEntry(id="count", function="report.tasks:count", dependencies=("fetch",), timeout_seconds=0.5),
    ),
    created_at="2026-11-21T09:30:00Z",
)


def independently(document: dict[str, Any]) -> str:
    """Take the fingerprint as anyone can who has a JSON library that sorts keys: good for ASCII keys."""
    rest = {key: value for key, value in document.items() if key != "signature"}
    rest["package"] = {key: value for key, value in rest["package"].items() if key != "fingerprint"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(text.encode()).hexdigest()


# What makes a package the package it is must never change: these digests were computed with sha256sum and by hand.
GOLDEN = [
    ({}, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
    ({"package": {"fingerprint": "x"}, "signature": 1}, sha256(b'{"package":{}}').hexdigest()),
    ({"b": 1, "a": [True, None, "ü"]}, sha256('{"a":[true,null,"ü"],"b":1}'.encode()).hexdigest()),
    # RFC 8785, 3.2.2 and 3.2.3: the numbers and the order of keys of its examples.
    (
        {"numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001]},
        sha256(b'{"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}').hexdigest(),
    ),
    (
        {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7},
        sha256('{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\U0001f600":5,"\ufb33":3}'.encode()).hexdigest(),
    ),
]


@pytest.mark.parametrize(("document", "expected"), GOLDEN)
def test_golden_vectors(document: dict[str, Any], expected: str) -> None:
    assert fingerprint_of(document) == expected


def test_fingerprint_of_a_manifest_stays_what_it_is() -> None:
    assert with_fingerprint(MANIFEST).package.fingerprint == (
        "44225e7cc560326c404651bfa2bf794bbf4067b262d069069c71c4d85eea14a3"
    )


def test_fingerprint_needs_nothing_of_this_library() -> None:
    document = json.loads(render_manifest(with_fingerprint(MANIFEST)))
    assert document["package"]["fingerprint"] == independently(document)


def test_written_manifest_has_the_fingerprint_that_it_names() -> None:
    data = render_manifest(with_fingerprint(MANIFEST))
    assert fingerprint_of(read_document(data)) == parse_manifest(data).package.fingerprint


def test_fingerprint_is_the_same_when_taken_again() -> None:
    once = with_fingerprint(MANIFEST)
    assert with_fingerprint(once) == once


def test_layout_of_the_file_does_not_count() -> None:
    document = json.loads(render_manifest(MANIFEST))
    backwards = {key: document[key] for key in sorted(document, reverse=True)}
    data = json.dumps(backwards, indent=7).encode()
    assert fingerprint_of(read_document(data)) == fingerprint_of(document)


def test_30_and_30_point_0_are_one_number() -> None:
    assert fingerprint_of({"seconds": 30}) == fingerprint_of({"seconds": 30.0})


@pytest.mark.parametrize("key", ["description", "x-unknown", "format_version", "tasks"])
def test_every_other_field_counts(key: str) -> None:
    document = json.loads(render_manifest(MANIFEST))
    assert fingerprint_of({**document, key: "changed"}) != fingerprint_of(document)


def test_unknown_field_of_the_package_counts() -> None:
    document = json.loads(render_manifest(MANIFEST))
    changed = {**document, "package": {**document["package"], "note": "changed"}}
    assert fingerprint_of(changed) != fingerprint_of(document)


@pytest.mark.parametrize("value", [2**53, float("nan"), float("inf"), "\ud800", {"\ud800": 1}, b"bytes"])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(InvalidManifest):
        fingerprint_of({"value": value})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text('abc\u00fc"\\\n'),
    lambda values: st.lists(values) | st.dictionaries(st.text("abcxyz_"), values),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["a", "package", "signature", "tasks"]), JSON))
def test_fingerprint_agrees_with_an_independent_one(document: dict[str, Any]) -> None:
    package = document.get("package")
    document["package"] = package if isinstance(package, dict) else {}
    assert fingerprint_of(document) == independently(document)
