"""Packages that are written again, to add signatures."""

from __future__ import annotations

from pathlib import Path

import pytest

from archive_samples import EPOCH, GOOD_FILES, Entry, Parts, make, read_bytes
from cloacina.errors import PackageNotReadable, PackageTampered, UnpackableFile
from cloacina.packaging.archive import Member, limits, read_package, rewrite_archive, write_archive


def write(folder: Path, parts: Parts) -> Path:
    path = folder / "sample.cloacina"
    write_archive(path, parts.members(), mtime=EPOCH)
    return path


def test_rewriting_adds_signatures_and_changes_nothing_else(tmp_path: Path) -> None:
    plain = read_package(write(tmp_path, make()))
    signed = tmp_path / "signed.cloacina"
    counts: list[int] = []
    added = [Member("signatures/b.sshsig", b"B"), Member("signatures/a.sshsig", b"A")]
    rewrite_archive(plain, signed, add=added, on_bytes=counts.append)
    package = read_package(signed)
    assert package.fingerprint == plain.fingerprint
    assert package.contents == plain.contents
    assert [(member.path, member.source) for member in package.signatures] == [
        ("signatures/a.sshsig", b"A"),
        ("signatures/b.sshsig", b"B"),
    ]
    assert sum(counts) == package.unpacked_size
    directly = tmp_path / "direct"
    write_archive(directly, [*make().members(), *added], mtime=EPOCH)
    assert signed.read_bytes() == directly.read_bytes()


def test_rewriting_in_place_replaces_a_signature_of_the_same_name(tmp_path: Path) -> None:
    path = tmp_path / "sample.cloacina"
    write_archive(path, [*make().members(), Member("signatures/a.sshsig", b"old")], mtime=EPOCH)
    rewrite_archive(read_package(path), path, add=[Member("signatures/a.sshsig", b"new")])
    assert [member.source for member in read_package(path).signatures] == [b"new"]
    assert list(tmp_path.iterdir()) == [path]


def test_rewriting_writes_signatures_at_the_end_of_a_package_without_later_files(tmp_path: Path) -> None:
    def as_rust(manifest: dict[str, object]) -> None:
        manifest["language"] = "rust"
        del manifest["python"]
        manifest["rust"] = {"library_path": "lib.so"}

    package = read_bytes(make({}, manifest=as_rust).pack(), tmp_path)
    rewrite_archive(package, package.path, add=[Member("signatures/a.sshsig", b"A")])
    assert [entry.path for entry in read_package(package.path).members] == [
        "manifest.json",
        "CONTENTS",
        "signatures/a.sshsig",
    ]


@pytest.mark.parametrize(
    "member",
    [
        Member("workflow/evil.py", b""),
        Member("signatures/../workflow/evil.sshsig", b""),
        Member("signatures/con.sshsig", b""),
        Member("signatures/a.sshsig", bytes(limits.MAX_SIGNATURE_BYTES + 1)),
    ],
)
def test_rewriting_adds_nothing_but_signatures(member: Member, tmp_path: Path) -> None:
    package = read_package(write(tmp_path, make()))
    before = package.path.read_bytes()
    with pytest.raises(UnpackableFile):
        rewrite_archive(package, package.path, add=[member])
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]


def test_rewriting_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    package = read_package(write(tmp_path, make()))
    other = make({**GOOD_FILES, "workflow/run.sh": b"#!/bin/cs\n"})
    assert len(other.tar()) == len(make().tar())
    write(tmp_path, other)
    with pytest.raises(PackageTampered, match="changed while it was read"):
        rewrite_archive(package, tmp_path / "signed", add=[Member("signatures/a.sshsig", b"A")])
    package.path.unlink()
    with pytest.raises(PackageNotReadable):
        rewrite_archive(package, tmp_path / "signed", add=[Member("signatures/a.sshsig", b"A")])
    assert list(tmp_path.iterdir()) == []


def test_body_that_changed_under_the_same_header_is_refused(tmp_path: Path) -> None:
    parts = make()
    package = read_bytes(parts.pack(), tmp_path)
    parts.entries[-1] = Entry(b"workflow/run.sh", b"#!/bin/zh\n", 0o755)
    package.path.write_bytes(parts.pack())
    with pytest.raises(PackageTampered, match=r"workflow/run\.sh"):
        rewrite_archive(package, tmp_path / "signed", add=[])
    assert list(tmp_path.iterdir()) == [package.path]
