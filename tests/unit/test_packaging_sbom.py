"""The bill of materials names each wheel once, without a host, is valid CycloneDX, and the same in each build."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, strategies as st

from cloacina.packaging.attestations.sbom import TARGET_PROPERTY, WheelUse, render_sbom

CREATED = "1980-01-01T00:00:00Z"
LINUX, MAC = "linux-x86_64-cp311", "macos-arm64-cp311"
ATTRS = WheelUse("attrs", "26.1.0", "attrs-26.1.0-py3-none-any.whl", "0a" * 32, (LINUX, MAC), "MIT")
NUMPY = WheelUse(
    "numpy", "2.4.1", "numpy-2.4.1-cp311-cp311-manylinux_2_27_x86_64.whl", "1b" * 32, (LINUX,), "BSD-3-Clause AND 0BSD"
)
ZOPE = WheelUse("Zope.Interface", "8.1+local.1", "zope_interface-8.1+local.1-cp311-cp311-win_amd64.whl", "2c" * 32, ())


def sbom(wheels: Sequence[WheelUse], name: str = "daily-report") -> dict[str, Any]:
    text = render_sbom(name, "1.4.0", wheels, created_at=CREATED).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document: dict[str, Any] = json.loads(text)
    return document


def test_document_is_cyclonedx_about_the_package() -> None:
    document = sbom([ATTRS])
    assert (document["bomFormat"], document["specVersion"], document["version"]) == ("CycloneDX", "1.6", 1)
    assert document["metadata"]["timestamp"] == CREATED
    component = document["metadata"]["component"]
    assert (component["name"], component["version"]) == ("daily-report", "1.4.0")
    assert document["compositions"] == [{"aggregate": "complete", "assemblies": [component["bom-ref"]]}]


def test_component_of_a_wheel() -> None:
    (component,) = sbom([NUMPY])["components"]
    assert component == {
        "type": "library",
        "bom-ref": "pkg:pypi/numpy@2.4.1?file_name=numpy-2.4.1-cp311-cp311-manylinux_2_27_x86_64.whl",
        "name": "numpy",
        "version": "2.4.1",
        "purl": "pkg:pypi/numpy@2.4.1?file_name=numpy-2.4.1-cp311-cp311-manylinux_2_27_x86_64.whl",
        "hashes": [{"alg": "SHA-256", "content": "1b" * 32}],
        "licenses": [{"expression": "BSD-3-Clause AND 0BSD"}],
        "properties": [{"name": TARGET_PROPERTY, "value": LINUX}],
    }


def test_package_url_has_the_normal_name_and_is_quoted() -> None:
    assert ZOPE.purl == (
        "pkg:pypi/zope-interface@8.1%2Blocal.1?file_name=zope_interface-8.1%2Blocal.1-cp311-cp311-win_amd64.whl"
    )
    parts = urlsplit(ZOPE.purl)
    assert unquote(parts.path) == "pypi/zope-interface@8.1+local.1"
    assert parse_qs(parts.query) == {"file_name": [ZOPE.file_name]}


def test_package_without_dependencies_has_a_bill_too() -> None:
    assert sbom([])["components"] == []


def test_wheel_that_is_named_twice_counts_once_for_the_targets_of_both() -> None:
    apart = [replace(ATTRS, targets=(MAC,)), replace(ATTRS, targets=(LINUX,), license_expression=None)]
    assert sbom(apart) == sbom([ATTRS])
    assert sbom(apart[::-1]) == sbom([ATTRS])


@pytest.mark.parametrize(
    ("given_expression", "expected"),
    [
        ("mit", "MIT"),
        ("apache-2.0 or mit", "Apache-2.0 OR MIT"),
        ("LicenseRef-Proprietary", "LicenseRef-Proprietary"),
        ("MIT License", None),
        ("BSD", None),
        ("UNKNOWN", None),
        ("", None),
        ("MIT\nAND BSD-3-Clause and (", None),
        (None, None),
    ],
)
def test_licence_is_a_valid_spdx_expression_or_not_said(given_expression: str | None, expected: str | None) -> None:
    (component,) = sbom([replace(ATTRS, license_expression=given_expression)])["components"]
    assert component.get("licenses") == (None if expected is None else [{"expression": expected}])


@given(st.permutations([ATTRS, NUMPY, ZOPE, replace(ATTRS, targets=())]))
def test_order_of_the_wheels_does_not_count(wheels: list[WheelUse]) -> None:
    expected = render_sbom("a", "1", [ATTRS, NUMPY, ZOPE], created_at=CREATED)
    assert render_sbom("a", "1", wheels, created_at=CREATED) == expected


def test_serial_number_changes_with_the_content_only() -> None:
    serial = sbom([ATTRS, NUMPY])["serialNumber"]
    assert serial == sbom([ATTRS, NUMPY])["serialNumber"]
    others = [sbom([ATTRS]), sbom([ATTRS, replace(NUMPY, sha256="3d" * 32)]), sbom([ATTRS, NUMPY], name="other")]
    assert len({serial, *(other["serialNumber"] for other in others)}) == 4


@given(
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.none() | st.text(st.characters(codec="utf-8")),
)
def test_bill_is_valid_whatever_a_wheel_says_of_itself(name: str, version: str, license_expression: str | None) -> None:
    sbom([replace(ATTRS, name=name, version=version, license_expression=license_expression)])
