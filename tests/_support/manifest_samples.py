"""Valid manifests, of a Python and of a Rust package, and ways to spoil them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cloacina.packaging.manifest.fingerprint import with_fingerprint
from cloacina.packaging.manifest.models import (
    Build,
    Manifest,
    PackageInfo,
    PythonRuntime,
    RustRuntime,
    TaskEntry,
    parse_manifest,
    read_document,
    render_manifest,
)

PYTHON = with_fingerprint(
    Manifest(
        package=PackageInfo(
            name="daily-report",
            version="1.4.0",
            description="Fetches, validates and reports.",
            targets=("linux-x86_64", "macos-arm64"),
            contents_sha256="5a" * 32,
            builds=(
                Build(platform="linux-x86_64", abi="cp311", floor="glibc 2.28"),
                Build(platform="linux-x86_64", abi="cp312", floor="glibc 2.28"),
                Build(platform="macos-arm64", abi="cp311", floor="macOS 13.0"),
            ),
        ),
        language="python",
        python=PythonRuntime(requires_python=">=3.11", entry_module="report.tasks"),
        tasks=(
            TaskEntry(id="fetch", function="report.tasks:fetch", retries=3, timeout_seconds=30),
            TaskEntry(id="validate", function="report.tasks:validate", dependencies=("fetch",)),
            TaskEntry(id="größe", function="report.größe:größe", dependencies=("fetch",), description="Wie groß?"),
            TaskEntry(id="report", function="report.tasks:report", dependencies=("validate", "größe")),
        ),
        created_at="2026-11-21T09:30:00Z",
    )
)
RUST = with_fingerprint(
    Manifest(
        package=PackageInfo(name="rust_etl", version="0.2.0+build.7", targets=("linux-x86_64",)),
        language="rust",
        rust=RustRuntime(library_path="lib/librust_etl.so"),
        tasks=(TaskEntry(id="process", function="cloacina_execute_task"),),
        created_at="2026-11-21T09:30:00.123456789Z",
    )
)


def document(manifest: Manifest = PYTHON) -> dict[str, Any]:
    return read_document(render_manifest(manifest))


def parse(value: object) -> Manifest:
    return parse_manifest(json.dumps(value).encode())


def change(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def apply(value: Any) -> None:
        *steps, last = path
        for step in steps:
            value = value[step]
        value[last] = to

    return apply


def drop(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def apply(value: Any) -> None:
        *steps, last = path
        for step in steps:
            value = value[step]
        del value[last]

    return apply
