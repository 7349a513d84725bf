"""Tables of the reference of packaging, written from the code: targets, limits, and what discovery refuses."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cloacina.errors import CloacinaError, PackageError
from cloacina.packaging.archive import limits
from cloacina.packaging.discovery import discover
from cloacina.packaging.targets import DEFAULT_PLATFORMS, PLATFORMS, PYTHONS, Target
from docsite.generated.tables import table

if TYPE_CHECKING:
    from collections.abc import Mapping

_SYSTEMS: Final = {
    "linux-arm64": "Linux with glibc, 64-bit ARM",
    "linux-musl-x86_64": "Linux with musl, such as Alpine, x86-64",
    "linux-x86_64": "Linux with glibc, x86-64",
    "macos-arm64": "macOS, Apple silicon",
    "macos-x86_64": "macOS, Intel",
    "windows-x86_64": "Windows, x86-64",
}

_LIMITS: Final = (
    ("Files", f"{limits.MAX_ENTRIES:,}"),
    ("The file, unpacked", f"{limits.MAX_UNPACKED_BYTES // limits.MEBIBYTE:,} MiB"),
    ("One file in it", f"{limits.MAX_FILE_BYTES // limits.MEBIBYTE} MiB"),
    ("Unpacked bytes for each packed one", f"{limits.MAX_RATIO}, beyond the first MiB"),
    (
        "A path",
        f"{limits.MAX_PATH_BYTES:,} bytes, {limits.MAX_DEPTH} parts of at most {limits.MAX_COMPONENT_BYTES} bytes",
    ),
    ("`manifest.json`", f"{limits.MAX_MANIFEST_BYTES // limits.MEBIBYTE} MiB"),
    ("`CONTENTS`, each lock, the bill of materials", f"{limits.MAX_CONTENTS_BYTES // limits.MEBIBYTE} MiB"),
    ("Signatures", f"{limits.MAX_SIGNATURES}, each of {limits.MAX_SIGNATURE_BYTES // 1024} KiB"),
)

_HEAD: Final = "import os\nfrom cloacina import RetryPolicy, Workflow, task\n\n"
_REFUSED: Final[Mapping[str, str]] = {
    "in a loop": "for region in ['north', 'south']:\n    @task(id=region)\n    def load(context): ...",
    "under a condition": "if os.name == 'posix':\n    @task\n    def load(context): ...",
    "made by a function": "def make(name):\n    @task(id=name)\n    def load(context): ...\n    return load",
    "in a class": "class Jobs:\n    @task\n    def load(context): ...",
    "without a decorator": "def load(context): ...\nload = task(load)",
    "beneath another decorator": "import functools\n@functools.cache\n@task\ndef load(context): ...",
    "with arguments in a dictionary": "OPTIONS = {'id': 'load'}\n@task(**OPTIONS)\ndef load(context): ...",
    "with an id that is computed": "@task(id=os.environ['NAME'])\ndef load(context): ...",
    "with dependencies from a list that changes": (
        "AFTER = ['load']\nAFTER.append('check')\n@task(dependencies=AFTER)\ndef report(context): ..."
    ),
    "with a name that is bound again": "@task(id='a')\ndef load(context): ...\n@task(id='b')\ndef load(context): ...",
    "outside of the workflow": (
        "with Workflow('sales'):\n    @task\n    def load(context): ...\n\n@task\ndef report(context): ..."
    ),
    "in a second workflow": (
        "with Workflow('sales'):\n    @task\n    def load(context): ...\n\n"
        "with Workflow('stock'):\n    @task\n    def count(context): ..."
    ),
    "with an id that there is already": "@task\ndef load(context): ...\n@task(id='load')\ndef read(context): ...",
    "with a dependency that is misspelt": (
        "@task\ndef load(context): ...\n@task(dependencies=['laod'])\ndef report(context): ..."
    ),
}


def target_reference(_docs: Path) -> str:
    """Return every platform with what its name means and its floor, and the versions of Python, as Markdown."""
    rows = []
    for name in PLATFORMS:
        target = Target(name, PYTHONS[0])
        is_default = "yes" if name in DEFAULT_PLATFORMS else ""
        rows.append((f"`{name}`", _SYSTEMS[name], target.floor or "none", f"`{target.name}`", is_default))
    return table(("Platform", "System", "Floor", f"Target of Python {PYTHONS[0]}", "By default"), rows)


def limit_reference(_docs: Path) -> str:
    """Return how much a package may hold, as Markdown."""
    return table(("Of a package", "At most"), _LIMITS)


def refusal_reference(_docs: Path) -> str:
    """Return what discovery says to declarations that it refuses, by running it, as Markdown."""
    rows = [(name, _refusal(source)) for name, source in _REFUSED.items()]
    return table(("A task that is declared …", "is refused with"), rows)


def _refusal(source: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "flow.py").write_text(f"{_HEAD}{source}\n", encoding="utf-8")
        try:
            discover(Path(folder), "flow")
        except CloacinaError as error:
            page = "package-errors.md" if isinstance(error, PackageError) else "errors.md"
            return f"{error.message} \\[[{error.code}]({page}#{error.code.lower()})\\]"
    raise ValueError(f"discovery finds the tasks that the reference of packaging calls refused:\n{source}")
