"""Workflow packages: from a project to one file that another machine verifies and runs.

The names here are loaded when they are first used, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cloacina.packaging.archive import Extraction, Package, extract_package, read_package
    from cloacina.packaging.building.build import build_package, plan_build
    from cloacina.packaging.building.progress import BuildProgress
    from cloacina.packaging.building.result import BuildPlan, BuildResult
    from cloacina.packaging.discovery import DiscoveredTask, Discovery, discover
    from cloacina.packaging.inspection import Inspection, inspect_package
    from cloacina.packaging.isolated.import_check import ImportCheck
    from cloacina.packaging.locking import Lock, LockChange, SelectedWheel, Uv, export_lock, find_uv, update_lock
    from cloacina.packaging.manifest.fingerprint import fingerprint_of
    from cloacina.packaging.manifest.json_schema import manifest_json_schema
    from cloacina.packaging.manifest.models import Manifest, TaskEntry, parse_manifest, render_manifest
    from cloacina.packaging.project import Project, read_project
    from cloacina.packaging.signing import (
        SignaturePolicy,
        SignatureReport,
        SigningKey,
        attach_signature,
        check_signatures,
        load_private_key,
        sign_fingerprint,
        sign_package,
        signatures_of,
    )
    from cloacina.packaging.sources import SourceFile, SourceSelection, select_sources
    from cloacina.packaging.targets import (
        DEFAULT_PLATFORMS,
        PLATFORMS,
        PYTHONS,
        Target,
        host_target,
        parse_target,
        targets_of,
    )

_LAZY: Final = {
    "cloacina.packaging.archive": ("Extraction", "Package", "extract_package", "read_package"),
    "cloacina.packaging.building.build": ("build_package", "plan_build"),
    "cloacina.packaging.building.result": ("BuildPlan", "BuildResult"),
    "cloacina.packaging.discovery": ("DiscoveredTask", "Discovery", "discover"),
    "cloacina.packaging.manifest.fingerprint": ("fingerprint_of",),
    "cloacina.packaging.isolated.import_check": ("ImportCheck",),
    "cloacina.packaging.inspection": ("Inspection", "inspect_package"),
    "cloacina.packaging.locking": (
        "Lock",
        "LockChange",
        "SelectedWheel",
        "Uv",
        "export_lock",
        "find_uv",
        "update_lock",
    ),
    "cloacina.packaging.manifest.models": ("Manifest", "TaskEntry", "parse_manifest", "render_manifest"),
    "cloacina.packaging.manifest.json_schema": ("manifest_json_schema",),
    "cloacina.packaging.building.progress": ("BuildProgress",),
    "cloacina.packaging.project": ("Project", "read_project"),
    "cloacina.packaging.signing": (
        "SignaturePolicy",
        "SignatureReport",
        "SigningKey",
        "attach_signature",
        "check_signatures",
        "load_private_key",
        "sign_fingerprint",
        "sign_package",
        "signatures_of",
    ),
    "cloacina.packaging.sources": ("SourceFile", "SourceSelection", "select_sources"),
    "cloacina.packaging.targets": (
        "DEFAULT_PLATFORMS",
        "PLATFORMS",
        "PYTHONS",
        "Target",
        "host_target",
        "parse_target",
        "targets_of",
    ),
}
_HOME: Final = {name: module for module, names in _LAZY.items() for name in names}

__all__ = [
    "DEFAULT_PLATFORMS",
    "PLATFORMS",
    "PYTHONS",
    "BuildPlan",
    "BuildProgress",
    "BuildResult",
    "DiscoveredTask",
    "Discovery",
    "Extraction",
    "ImportCheck",
    "Inspection",
    "Lock",
    "LockChange",
    "Manifest",
    "Package",
    "Project",
    "SelectedWheel",
    "SignaturePolicy",
    "SignatureReport",
    "SigningKey",
    "SourceFile",
    "SourceSelection",
    "Target",
    "TaskEntry",
    "Uv",
    "attach_signature",
    "build_package",
    "check_signatures",
    "discover",
    "export_lock",
    "extract_package",
    "find_uv",
    "fingerprint_of",
    "host_target",
    "inspect_package",
    "load_private_key",
    "manifest_json_schema",
    "parse_manifest",
    "parse_target",
    "plan_build",
    "read_package",
    "read_project",
    "render_manifest",
    "select_sources",
    "sign_fingerprint",
    "sign_package",
    "signatures_of",
    "targets_of",
    "update_lock",
]


if not TYPE_CHECKING:  # A type checker that saw it would take every name for one of the package.

    def __getattr__(name: str) -> Any:
        module = _HOME.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(module), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
