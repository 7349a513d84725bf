"""The manifest of a package: its fields and rules, its JSON Schema, and the fingerprint that is taken over it."""

from __future__ import annotations

from cloacina.packaging.manifest.fingerprint import fingerprint_of, with_fingerprint
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

__all__ = [
    "Build",
    "Manifest",
    "PackageInfo",
    "PythonRuntime",
    "RustRuntime",
    "TaskEntry",
    "fingerprint_of",
    "parse_manifest",
    "read_document",
    "render_manifest",
    "with_fingerprint",
]
