"""Looks for bytes that the reader of packages fails on, guided by which lines they reach; `angreal fuzz` runs it.

Whatever the bytes are, a package is either refused by an ArchiveError, and nothing is written; or it is accepted, and
is then exactly what the writer writes for its content. Arguments are those of libFuzzer, such as -max_total_time=60.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import atheris  # pyright: ignore[reportMissingModuleSource] - it is in the environment of `angreal fuzz` only

sys.path.append(str(Path(__file__).parent.parent / "_support"))

with atheris.instrument_imports(include=["cloacina.packaging"]):
    from archive_samples import GOOD_FILES, Entry, Parts, contents_line, make, make_signed, pack
    from cloacina.errors import ArchiveError
    from cloacina.packaging.archive import Member, Package, extract_package, read_package, write_archive
    from cloacina.packaging.archive.zstandard import ZstdDecompressor

if TYPE_CHECKING:
    from collections.abc import Callable


def _as_file(data: bytes) -> bytes:
    return data


def _as_stream(data: bytes) -> bytes:
    return pack(data)


def _as_header(data: bytes) -> bytes:
    """Put bytes into the place of a header, with a checksum that is right, so that they get further."""
    parts = make_signed()
    block = bytearray(data[1:513].ljust(512, b"\0"))
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    before = parts.entries[: data[0] % len(parts.entries)] if data else []
    after = parts.entries[len(before) :]
    return pack(b"".join(entry.render() for entry in before) + bytes(block) + Parts(after).tar())


def _as_contents(data: bytes) -> bytes:
    return make(contents=lambda _: data).pack()


def _as_path(data: bytes) -> bytes:
    parts = make(contents=lambda raw: b"".join(sorted([*raw.splitlines(keepends=True), contents_line(data, b"")])))
    parts.entries.append(Entry(data[:100], b""))
    return parts.pack()


def _as_listed_path(data: bytes) -> bytes:
    try:
        return make({**GOOD_FILES, data.decode(): b""}).pack()
    except (UnicodeDecodeError, ValueError, AssertionError):
        return b""


def _as_manifest(data: bytes) -> bytes:
    parts = make_signed()
    parts.entries[0].data = data
    return parts.pack()


def _as_signature(data: bytes) -> bytes:
    parts = make_signed()
    name, _, body = data.partition(b"\0")
    try:
        parts.entries.insert(parts.index("vendor/any/numpy/__init__.py"), Entry(b"signatures/" + name[:80], body))
        return parts.pack()
    except (ValueError, AssertionError):
        return b""


# The first byte of an input chooses what the rest of it is.
ENTRANCES: list[tuple[Callable[[bytes], bytes], list[bytes]]] = [
    (_as_file, [make_signed().pack(), make({}).pack()]),
    (_as_stream, [make_signed().tar(), make({"workflow/a": b""}).tar()]),
    (_as_header, [b"\x02" + make_signed().entries[-1].header(), b"\x05" + Entry(b"signatures/b.sshsig").header()]),
    (_as_contents, [make().at("CONTENTS").data, contents_line("workflow/a", b"")]),
    (_as_path, [b"workflow/z", "workflow/\u212a\u0301".encode(), b"../a", b"vendor/any/a.so"]),
    (_as_listed_path, [b"workflow/z", "workflow/\ufb01".encode(), b"workflow/aux", b"vendor/any/a/b.py"]),
    (_as_manifest, [make().at("manifest.json").data, b"{}", b'{"format_version": "2", "package": {}}']),
    (_as_signature, [b"a.sshsig\0-----BEGIN", b"b/c.sshsig\0"]),
]


def check(data: bytes) -> None:
    """Read one input, and hold the reader to its promise.

    Raises:
        AssertionError: It does not keep it.
    """
    if not data:
        return
    entrance, _ = ENTRANCES[data[0] % len(ENTRANCES)]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "sample.cloacina"
        path.write_bytes(entrance(data[1:]))
        try:
            package = read_package(path)
        except ArchiveError:
            assert list(Path(name).iterdir()) == [path]
            return
        _check_accepted(package)


def _check_accepted(package: Package) -> None:
    folder = package.path.parent
    out = extract_package(package.path, folder / "out", layout="raw").folder
    members = [Member(entry.path, (out / entry.path).read_bytes(), entry.mode) for entry in package.members]
    found = {file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file()}
    assert found == {member.path for member in members}
    assert {path.name for path in folder.iterdir()} == {"sample.cloacina", "out"}
    write_archive(folder / "again", members, mtime=package.mtime)
    again = ZstdDecompressor().decompress((folder / "again").read_bytes())
    if package.compression == "zstd":
        assert ZstdDecompressor().decompress(package.path.read_bytes()) == again


def write_seeds(folder: Path) -> None:
    """Write an input for each entrance, from which others are made."""
    for number, (_, seeds) in enumerate(ENTRANCES):
        for index, seed in enumerate(seeds):
            (folder / f"{number}-{index}").write_bytes(bytes([number]) + seed)


def main() -> None:
    """Fuzz until libFuzzer's limits are reached, or something is found."""
    with tempfile.TemporaryDirectory() as corpus:
        write_seeds(Path(corpus))
        atheris.Setup([*sys.argv, corpus], check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
