"""Packages made byte by byte, without the code that is tested: one good one, and what is needed to spoil it."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785

from cloacina.packaging.archive import Member, Package, extract_package, read_package
from cloacina.packaging.archive.zstandard import CompressionParameter, ZstdCompressor

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from cloacina.errors import ArchiveError

EPOCH = 315532800
CREATED_AT = "1980-01-01T00:00:00Z"
LINUX = "linux-x86_64-cp311"
MACOS = "macos-arm64-cp311"
TEXTS = ("provenance.json", "pylock.toml", "requirements.lock", "sbom.cdx.json")

GOOD_FILES: Mapping[str, bytes] = {
    **{name: f"what {name} holds\n".encode() for name in TEXTS},
    "vendor/any/numpy/__init__.py": b"import numpy.core\n",
    f"vendor/{LINUX}/numpy/core.so": b"\x7fELF" * 300,
    f"vendor/{MACOS}/numpy/core.so": b"\xcf\xfa\xed\xfe" * 300,
    "workflow/report/__init__.py": b"",
    "workflow/report/tasks.py": b"def fetch(context): ...\n",
    "workflow/run.sh": b"#!/bin/sh\n",
}
SIGNATURE = "signatures/0123456789abcdef.sshsig"
GOOD_MODES = {"workflow/run.sh": 0o755}


@dataclass
class Entry:
    """A file in a tar stream, each field of whose header can be replaced."""

    path: bytes
    data: bytes = b""
    mode: int = 0o644
    mtime: int = EPOCH
    kind: bytes = b"0"
    fields: dict[str, bytes] = field(default_factory=dict)
    padding: bytes | None = None

    def render(self) -> bytes:
        padding = bytes(-len(self.data) % 512) if self.padding is None else self.padding
        return self.header() + self.data + padding

    def header(self) -> bytes:
        prefix, name = b"", self.path
        if len(name) > 100:
            cut = name.index(b"/", len(name) - 101)
            prefix, name = name[:cut], name[cut + 1 :]
        layout = {
            "name": name.ljust(100, b"\0"),
            "mode": b"%07o\0" % self.mode,
            "uid": b"0000000\0",
            "gid": b"0000000\0",
            "size": b"%011o\0" % len(self.data),
            "mtime": b"%011o\0" % self.mtime,
            "chksum": b" " * 8,
            "typeflag": self.kind,
            "linkname": bytes(100),
            "magic": b"ustar\0",
            "version": b"00",
            "uname": bytes(32),
            "gname": bytes(32),
            "devmajor": bytes(8),
            "devminor": bytes(8),
            "prefix": prefix.ljust(155, b"\0"),
            "padding": bytes(12),
        }
        widths = {key: len(value) for key, value in layout.items()}
        for key, value in self.fields.items():
            layout[key] = value.ljust(widths[key], b"\0")
            assert len(layout[key]) == widths[key], key
        if "chksum" not in self.fields:
            layout["chksum"] = b"%06o\0 " % sum(b"".join(layout.values()))
        block = b"".join(layout.values())
        assert len(block) == 512
        return block


@dataclass
class Parts:
    """A package that is taken apart: its files in the order of the archive, and what follows them."""

    entries: list[Entry]
    end: bytes = bytes(1024)

    def at(self, path: str) -> Entry:
        return next(entry for entry in self.entries if entry.path == path.encode())

    def index(self, path: str) -> int:
        return self.entries.index(self.at(path))

    def tar(self) -> bytes:
        return b"".join(entry.render() for entry in self.entries) + self.end

    def pack(self) -> bytes:
        return pack(self.tar())

    def members(self) -> list[Member]:
        return [Member(entry.path.decode(), entry.data, entry.mode) for entry in self.entries]


def contents_line(path: str | bytes, data: bytes, mode: int = 0o644) -> bytes:
    raw = path.encode() if isinstance(path, str) else path
    return f"{hashlib.sha256(data).hexdigest()}  {len(data)}  {mode:04o}  ".encode() + raw + b"\n"


def document(contents: bytes, targets: tuple[str, ...] = (LINUX, MACOS)) -> dict[str, Any]:
    """Return a manifest for CONTENTS, without its fingerprint."""
    builds = [dict(zip(("platform", "abi"), target.rsplit("-", 1), strict=True)) for target in targets]
    return {
        "format_version": "2",
        "package": {
            "name": "report",
            "version": "1.0",
            "targets": sorted({build["platform"] for build in builds}),
            "contents_sha256": hashlib.sha256(contents).hexdigest(),
            "builds": builds,
        },
        "language": "python",
        "python": {"requires_python": ">=3.11", "entry_module": "report.tasks"},
        "tasks": [{"id": "fetch", "function": "report.tasks:fetch"}],
        "created_at": CREATED_AT,
    }


def seal(unsealed: Mapping[str, Any]) -> bytes:
    """Return manifest.json with its fingerprint in place."""
    sealed = json.loads(json.dumps(unsealed))
    sealed["package"].pop("fingerprint", None)
    fingerprint = hashlib.sha256(rfc8785.dumps(sealed)).hexdigest()
    sealed["package"]["fingerprint"] = fingerprint
    return json.dumps(sealed, indent=2).encode() + b"\n"


def make(
    files: Mapping[str, bytes] = GOOD_FILES,
    *,
    modes: Mapping[str, int] | None = None,
    targets: tuple[str, ...] = (LINUX, MACOS),
    contents: Callable[[bytes], bytes] = lambda raw: raw,
    manifest: Callable[[dict[str, Any]], object] = lambda unsealed: unsealed,
) -> Parts:
    """Return a package whose manifest and CONTENTS fit its files.

    Args:
        files: What it holds, without manifest and CONTENTS.
        modes: The modes of those that have not 0644.
        targets: What it is for.
        contents: Given CONTENTS, returns what is packed in its place.
        manifest: Given the manifest, changes it before the fingerprint is taken.
    """
    modes = GOOD_MODES if modes is None else modes
    ordered = sorted(files, key=str.encode)
    raw = contents(b"".join(contents_line(path, files[path], modes.get(path, 0o644)) for path in ordered))
    unsealed = document(raw, targets)
    manifest(unsealed)
    entries = [Entry(b"manifest.json", seal(unsealed)), Entry(b"CONTENTS", raw)]
    entries += [Entry(path.encode(), files[path], modes.get(path, 0o644)) for path in ordered]
    return Parts(entries)


def make_signed() -> Parts:
    """Return the good package with a signature."""
    parts = make()
    parts.entries.insert(parts.index("vendor/any/numpy/__init__.py"), Entry(SIGNATURE.encode(), b"signature"))
    return parts


def pack(tar: bytes, *, options: Mapping[int, int] | None = None, is_size_known: bool = True) -> bytes:
    """Compress a tar stream as packages are, but for what `options` changes."""
    settings: dict[int, int] = {CompressionParameter.compression_level: 3, CompressionParameter.checksum_flag: 1}
    compressor = ZstdCompressor(options={**settings, **(options or {})})
    if is_size_known:
        compressor.set_pledged_input_size(len(tar))
    return compressor.compress(tar) + compressor.flush()


def read_bytes(data: bytes, folder: Path) -> Package:
    path = folder / "sample.cloacina"
    path.write_bytes(data)
    return read_package(path)


def files_in(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@contextmanager
def umask(mask: int) -> Generator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def largest_file(size: int) -> Generator[None]:
    """Let the system refuse to write larger files, as it does when the disk is full."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def assert_refused(data: bytes, kind: type[ArchiveError], word: str, folder: Path) -> None:
    """Assert that neither reading nor extracting takes a package, and that both leave nothing behind."""
    path = folder / "bad.cloacina"
    path.write_bytes(data)
    with pytest.raises(kind) as reading:
        read_package(path)
    assert type(reading.value) is kind
    assert word in reading.value.message
    assert reading.value.message.isprintable() or "\n" in reading.value.message
    with pytest.raises(kind):
        extract_package(path, folder / "out", layout="raw")
    assert list(folder.iterdir()) == [path]
