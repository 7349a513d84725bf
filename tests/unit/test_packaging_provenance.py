"""The provenance is an in-toto statement with the wheels as materials, and nothing of the machine that built."""

from __future__ import annotations

import json
from typing import Any

from cloacina import __version__
from cloacina.packaging.attestations.provenance import PREDICATE_TYPE, STATEMENT_TYPE, render_provenance
from cloacina.packaging.attestations.sbom import WheelUse

ATTRS = WheelUse("attrs", "26.1.0", "attrs-26.1.0-py3-none-any.whl", "0a" * 32, ("linux-x86_64-cp311",), "MIT")
NUMPY = WheelUse("numpy", "2.4.1", "numpy-2.4.1-cp311-cp311-macosx_14_0_arm64.whl", "1b" * 32, ("macos-arm64-cp311",))


def render(*wheels: WheelUse, parameters: dict[str, Any] | None = None, uv_version: str | None = "0.13.8") -> bytes:
    return render_provenance(
        "daily-report",
        "1.4.0",
        payload_sha256="5a" * 32,
        wheels=wheels,
        parameters=parameters or {"targets": ["linux-x86_64-cp311"], "entry_module": "report.tasks"},
        created_at="2026-11-21T09:30:00Z",
        uv_version=uv_version,
    )


def statement(*wheels: WheelUse, uv_version: str | None = "0.13.8") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(*wheels, uv_version=uv_version))
    return document


def test_statement_is_of_in_toto_with_a_slsa_predicate() -> None:
    document = statement()
    assert document["_type"] == STATEMENT_TYPE == "https://in-toto.io/Statement/v1"
    assert document["predicateType"] == PREDICATE_TYPE == "https://slsa.dev/provenance/v1"
    assert document.keys() == {"_type", "subject", "predicateType", "predicate"}
    definition = document["predicate"]["buildDefinition"]
    assert definition.keys() == {"buildType", "externalParameters", "resolvedDependencies"}


def test_subject_is_the_payload() -> None:
    (subject,) = statement()["subject"]
    assert (subject["name"], subject["digest"]) == ("daily-report-1.4.0", {"sha256": "5a" * 32})


def test_wheels_are_the_materials() -> None:
    materials = statement(NUMPY, ATTRS, NUMPY)["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert materials == [
        {"name": wheel.file_name, "uri": wheel.purl, "digest": {"sha256": wheel.sha256}} for wheel in (ATTRS, NUMPY)
    ]


def test_builder_is_named_with_its_versions() -> None:
    builder = statement()["predicate"]["runDetails"]["builder"]
    assert builder["version"] == {"cloacina": __version__, "uv": "0.13.8"}
    without = statement(uv_version=None)["predicate"]["runDetails"]["builder"]
    assert without["version"] == {"cloacina": __version__}


def test_parameters_are_what_the_build_was_asked_for() -> None:
    assert statement()["predicate"]["buildDefinition"]["externalParameters"] == {
        "created_at": "2026-11-21T09:30:00Z",
        "entry_module": "report.tasks",
        "targets": ["linux-x86_64-cp311"],
    }


def test_two_builds_give_the_same_bytes() -> None:
    assert render(ATTRS, NUMPY, parameters={"a": 1, "b": 2}) == render(NUMPY, ATTRS, parameters={"b": 2, "a": 1})


def test_nothing_else_is_said_about_the_build() -> None:
    # No host, user, folder, time or number of an invocation: they would differ from build to build.
    predicate = statement(ATTRS)["predicate"]
    assert predicate.keys() == {"buildDefinition", "runDetails"}
    assert predicate["runDetails"].keys() == {"builder"}
    assert predicate["runDetails"]["builder"].keys() == {"id", "version"}
