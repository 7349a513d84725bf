"""An inspection says of a package what is in it, by target where that differs, and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloacina.errors import ArchiveLimitExceeded, InvalidArchive
from cloacina.packaging.archive import ContentsEntry, Member, Package
from cloacina.packaging.attestations.sbom import WheelUse, render_sbom
from cloacina.packaging.inspection import (
    InspectedDependency,
    InspectedSignature,
    InspectedTarget,
    InspectedWheel,
    inspect_package,
)
from cloacina.packaging.manifest.fingerprint import with_fingerprint
from cloacina.packaging.manifest.models import (
    Build,
    Manifest,
    PackageInfo,
    PythonRuntime,
    RustRuntime,
    TaskEntry,
    read_document,
    render_manifest,
)
from cloacina.packaging.signing import SignatureReport

LINUX, MAC = "linux-x86_64-cp311", "macos-arm64-cp311"
WHEELS = (
    WheelUse("numpy", "2.4.1", "numpy-2.4.1-cp311-cp311-macosx_13_0_arm64.whl", "2c" * 32, (MAC,), "BSD-3-Clause"),
    WheelUse("attrs", "26.1.0", "attrs-26.1.0-py3-none-any.whl", "0a" * 32, (LINUX, MAC), "MIT"),
    WheelUse("numpy", "2.4.1", "numpy-2.4.1-cp311-cp311-manylinux_2_27_x86_64.whl", "1b" * 32, (LINUX,)),
    WheelUse("uvloop", "0.30.0", "uvloop-0.30.0-cp311-cp311-manylinux_2_28_x86_64.whl", "3d" * 32, (LINUX,)),
)
FILES = {
    "workflow/report/tasks.py": 1_000,
    "workflow/report/__init__.py": 0,
    "vendor/any/attrs/__init__.py": 20_000,
    f"vendor/{LINUX}/numpy/core.so": 3_000_000,
    f"vendor/{MAC}/numpy/core.so": 2_000_000,
    "sbom.cdx.json": 900,
}


def task(name: str, *dependencies: str, **fields: Any) -> TaskEntry:
    return TaskEntry(id=name, function=f"report.tasks:{name}", dependencies=dependencies, **fields)


def manifest(*tasks: TaskEntry) -> Manifest:
    return with_fingerprint(
        Manifest(
            package=PackageInfo(
                name="report",
                version="1.4.0",
                description="Fetches and reports.",
                targets=("linux-x86_64", "macos-arm64"),
                builds=(
                    Build(platform="linux-x86_64", abi="cp311", floor="glibc 2.28"),
                    Build(platform="macos-arm64", abi="cp311", floor="macOS 13.0"),
                ),
            ),
            language="python",
            python=PythonRuntime(requires_python=">=3.11", entry_module="report.tasks"),
            tasks=tasks or (task("fetch"),),
            created_at="2026-11-21T09:30:00Z",
        )
    )


def package(of: Manifest | None = None, texts: dict[str, bytes] | None = None) -> Package:
    of = of or manifest()
    sbom = render_sbom("report", "1.4.0", WHEELS, created_at=of.created_at)
    return Package(
        path=Path("dist/report-1.4.0.cloacina"),
        manifest=of,
        document=read_document(render_manifest(of)),
        fingerprint=of.package.fingerprint,
        contents=tuple(ContentsEntry("00" * 32, size, 0o644, path) for path, size in sorted(FILES.items())),
        signatures=(Member("signatures/0123456789abcdef.sshsig", b"..."),),
        texts={"sbom.cdx.json": sbom} if texts is None else texts,
        members=(),
        compression="zstd",
        packed_size=1_500_000,
        unpacked_size=5_100_000,
        mtime=315532800,
    )


def test_package_as_a_whole() -> None:
    found = inspect_package(package())
    assert (found.name, found.version, found.description) == ("report", "1.4.0", "Fetches and reports.")
    assert (found.fingerprint, found.created_at) == (manifest().package.fingerprint, "2026-11-21T09:30:00Z")
    assert (found.language, found.requires_python, found.entry_module) == ("python", ">=3.11", "report.tasks")
    assert (found.compression, found.packed_size, found.unpacked_size, found.file_count) == (
        "zstd",
        1_500_000,
        5_100_000,
        6,
    )


def test_tasks_have_their_level_on_the_longest_way() -> None:
    found = inspect_package(
        package(
            manifest(
                task("report", "count", "fetch", "fetch"),
                task("fetch", retries=3, timeout_seconds=30),
                task("count", "validate"),
                task("validate", "fetch"),
                task("alone"),
            )
        )
    )
    assert [(each.id, each.level, each.dependencies) for each in found.tasks] == [
        ("report", 3, ("count", "fetch")),
        ("fetch", 0, ()),
        ("count", 2, ("validate",)),
        ("validate", 1, ("fetch",)),
        ("alone", 0, ()),
    ]
    assert (found.tasks[1].retries, found.tasks[1].timeout_seconds) == (3, 30)


def test_sizes_are_told_apart_by_target() -> None:
    found = inspect_package(package())
    assert (found.workflow_size, found.shared_size) == (1_000, 20_000)
    assert found.targets == (
        InspectedTarget(LINUX, "linux-x86_64", "cp311", "glibc 2.28", 3_000_000, 3_021_000),
        InspectedTarget(MAC, "macos-arm64", "cp311", "macOS 13.0", 2_000_000, 2_021_000),
    )


def test_dependencies_are_those_of_the_bill_by_name_and_version() -> None:
    found = inspect_package(package())
    assert [(each.name, each.version, each.license, each.targets) for each in found.dependencies] == [
        ("attrs", "26.1.0", "MIT", (LINUX, MAC)),
        ("numpy", "2.4.1", "BSD-3-Clause", (LINUX, MAC)),
        ("uvloop", "0.30.0", None, (LINUX,)),
    ]
    assert found.dependencies[1].wheels == (
        InspectedWheel("numpy-2.4.1-cp311-cp311-macosx_13_0_arm64.whl", "2c" * 32, (MAC,)),
        InspectedWheel("numpy-2.4.1-cp311-cp311-manylinux_2_27_x86_64.whl", "1b" * 32, (LINUX,)),
    )


def test_bill_of_another_program_is_read_as_far_as_it_says_something() -> None:
    bill = {
        "bomFormat": "CycloneDX",
        "components": [
            {"type": "library", "name": "a", "licenses": [{"license": {"id": "MIT"}}], "hashes": []},
            {"name": "b", "version": "1", "purl": "::", "properties": [{"name": "other", "value": "x"}]},
        ],
    }
    found = inspect_package(package(texts={"sbom.cdx.json": json.dumps(bill).encode()}))
    assert found.dependencies == (
        InspectedDependency("a", "", None, (), (InspectedWheel("", None, ()),)),
        InspectedDependency("b", "1", None, (), (InspectedWheel("", None, ()),)),
    )


@pytest.mark.parametrize(
    "bill",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"components": 3}',
        b'{"components": [3]}',
        b'{"components": [{"version": "1"}]}',
        b'{"components": [{"name": "a", "purl": "//[", "version": "1"}]}',
    ],
)
def test_bill_that_is_none_is_refused(bill: bytes) -> None:
    with pytest.raises(InvalidArchive, match=r"sbom\.cdx\.json"):
        inspect_package(package(texts={"sbom.cdx.json": bill}))


@pytest.mark.parametrize(
    ("bill", "said"),
    [
        ({"components": [0] * 20_001}, "lists 20,001 components; to be shown it may list 20,000"),
        ({"x": " " * 8_388_608}, "to be shown it may have 8,388,608"),
    ],
)
def test_bill_that_would_take_gigabytes_to_show_is_refused(bill: dict[str, object], said: str) -> None:
    with pytest.raises(ArchiveLimitExceeded, match=said):
        inspect_package(package(texts={"sbom.cdx.json": json.dumps(bill).encode()}))


def test_signatures_are_unchecked_until_somebody_checks_them() -> None:
    (signature,) = inspect_package(package()).signatures
    assert (signature.file, signature.status) == ("signatures/0123456789abcdef.sshsig", "unchecked")


def test_what_is_known_of_signatures_is_told() -> None:
    report = SignatureReport("signatures/a.sshsig", "ssh-ed25519", "SHA256:x", "ops@example.org", "trusted", "ok", None)
    assert inspect_package(package(), [report]).signatures == (
        InspectedSignature("signatures/a.sshsig", "trusted", "ops@example.org", "ssh-ed25519", "SHA256:x", "ok"),
    )


def test_rust_package_is_inspected_too() -> None:
    rust = with_fingerprint(
        Manifest(
            package=PackageInfo(name="etl", version="0.2.0", targets=("linux-x86_64",)),
            language="rust",
            rust=RustRuntime(library_path="lib/libetl.so"),
            tasks=(TaskEntry(id="process", function="cloacina_execute_task"),),
        )
    )
    found = inspect_package(replace(package(rust, texts={}), contents=(), signatures=()))
    assert (found.language, found.library_path, found.entry_module) == ("rust", "lib/libetl.so", None)
    assert found.targets == (InspectedTarget("linux-x86_64", "linux-x86_64", None, None, 0, 0),)
    assert found.dependencies == ()


def test_json_has_every_attribute_under_its_name() -> None:
    found = inspect_package(package())
    document = json.loads(json.dumps(found.to_json()))
    assert document["tasks"][0]["function"] == "report.tasks:fetch"
    assert document["targets"][1]["installed_size"] == 2_021_000
    assert document["dependencies"][0]["wheels"][0]["file_name"] == "attrs-26.1.0-py3-none-any.whl"
    assert document["signatures"][0]["status"] == "unchecked"
    assert document.keys() == set(type(found).__slots__)
