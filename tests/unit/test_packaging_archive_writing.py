"""Packages as they are written: the same bytes for the same content, readable by all, whole or not at all."""

from __future__ import annotations

import os
import random
import subprocess
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from archive_samples import EPOCH, GOOD_FILES, LINUX, Parts, contents_line, largest_file, make
from cloacina.errors import (
    CloacinaError,
    InvalidArchive,
    InvalidManifest,
    OutputNotWritable,
    PackageTampered,
    UnpackableFile,
)
from cloacina.packaging.archive import Member, limits, packing, read_package, write_archive
from cloacina.packaging.archive.zstandard import ZstdDecompressor

if TYPE_CHECKING:
    pass

LONG = "workflow/" + "d" * 120 + "/" + "e" * 90 + ".txt"


def unpacked(path: Path) -> bytes:
    return ZstdDecompressor().decompress(path.read_bytes())


def write(folder: Path, parts: Parts, name: str = "sample.cloacina") -> Path:
    path = folder / name
    write_archive(path, parts.members(), mtime=EPOCH)
    return path


def test_written_archive_is_the_one_stream_for_its_content(tmp_path: Path) -> None:
    parts = make({**GOOD_FILES, LONG: b"long", "workflow/日本.txt": b"x" * 512})
    path = write(tmp_path, parts)
    assert unpacked(path) == parts.tar()
    assert read_package(path).members[0].path == "manifest.json"


def test_order_folder_time_and_umask_do_not_change_the_bytes(tmp_path: Path) -> None:
    parts = make()
    first = write(tmp_path, parts).read_bytes()
    members = parts.members()
    random.Random(7).shuffle(members)
    other = tmp_path / "other" / "folder"
    other.mkdir(parents=True)
    from_files: list[Member] = []
    for number, member in enumerate(members):
        assert isinstance(member.source, bytes)
        file = other / str(number)
        file.write_bytes(member.source)
        os.utime(file, (number, number))
        file.chmod(0o600)
        from_files.append(Member(member.path, file, member.mode))
    before = os.umask(0o077)
    try:
        write_archive(other / "x.cloacina", from_files, mtime=EPOCH)
    finally:
        os.umask(before)
    assert (other / "x.cloacina").read_bytes() == first


def test_frame_names_its_size_and_has_a_checksum(tmp_path: Path) -> None:
    descriptor = write(tmp_path, make()).read_bytes()[4]
    assert descriptor & 0x04
    assert descriptor >> 6 or descriptor & 0x20


def test_tarfile_reads_what_is_written(tmp_path: Path) -> None:
    parts = make({**GOOD_FILES, LONG: b"long"})
    with tarfile.open(fileobj=BytesIO(unpacked(write(tmp_path, parts)))) as archive:
        found = [
            (info.name, info.mode, info.uid, info.gid, info.uname, info.mtime, info.isreg(), file.read())
            for info in archive
            if (file := archive.extractfile(info))
        ]
        assert archive.pax_headers == {}
    assert found == [(entry.path.decode(), entry.mode, 0, 0, "", EPOCH, True, entry.data) for entry in parts.entries]


@pytest.mark.skipif(not Path("/usr/bin/tar").exists(), reason="this machine has no tar")
def test_tar_reads_what_is_written(tmp_path: Path) -> None:
    parts = make({**GOOD_FILES, LONG: b"long"})
    (tmp_path / "sample.tar").write_bytes(unpacked(write(tmp_path, parts)))
    out = tmp_path / "out"
    out.mkdir()
    done = subprocess.run(
        ["/usr/bin/tar", "-xf", tmp_path / "sample.tar", "-C", out], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
    files = {file.relative_to(out).as_posix(): file for file in out.rglob("*") if file.is_file()}
    assert {path: file.read_bytes() for path, file in files.items()} == {
        entry.path.decode(): entry.data for entry in parts.entries
    }
    assert {path for path, file in files.items() if file.stat().st_mode & 0o100} == {"workflow/run.sh"}


def test_progress_counts_all_unpacked_bytes(tmp_path: Path) -> None:
    counts: list[int] = []
    write_archive(tmp_path / "a", make().members(), mtime=EPOCH, on_bytes=counts.append)
    assert sum(counts) == len(make().tar())


# ── What is not written ──────────────────────────────────────────────────────────────────────────────────────────────


def _without(path: str) -> Callable[[], list[Member]]:
    return lambda: [member for member in make().members() if member.path != path]


def _with(*more: Member) -> Callable[[], list[Member]]:
    return lambda: [*make().members(), *more]


def _sealed(files: dict[str, bytes]) -> Callable[[], list[Member]]:
    return lambda: make({**GOOD_FILES, **files}).members()


def _of(change: Callable[[Parts], object]) -> Callable[[], list[Member]]:
    def members() -> list[Member]:
        parts = make()
        change(parts)
        return parts.members()

    return members


def _listed(line: bytes) -> Callable[[], list[Member]]:
    return lambda: make(contents=lambda raw: raw + line).members()


def _changed_manifest(parts: Parts) -> None:
    entry = parts.at("manifest.json")
    entry.data = entry.data.replace(b'"1.0"', b'"1.1"')


def _changed_contents(parts: Parts) -> None:
    parts.at("CONTENTS").data = b""


def _changed_file(parts: Parts) -> None:
    parts.at("workflow/run.sh").data = b"#!/bin/sh\nrm"


def _changed_mode(parts: Parts) -> None:
    parts.at("workflow/run.sh").mode = 0o644


def _executable_contents(parts: Parts) -> None:
    parts.at("CONTENTS").mode = 0o755


@pytest.mark.parametrize(
    ("members", "kind", "word"),
    [
        pytest.param(_without("manifest.json"), InvalidArchive, "manifest.json", id="no-manifest"),
        pytest.param(_without("CONTENTS"), InvalidArchive, "CONTENTS", id="no-contents"),
        pytest.param(_without("workflow/run.sh"), UnpackableFile, "not among", id="file-missing"),
        pytest.param(_with(Member("workflow/more", b"")), UnpackableFile, "not listed", id="file-more"),
        pytest.param(_with(Member("CONTENTS", b"")), UnpackableFile, "twice", id="file-twice"),
        pytest.param(_with(Member("signatures/a/b.sshsig", b"")), UnpackableFile, "not listed", id="signature-folder"),
        pytest.param(_with(Member("signatures/a:b.sshsig", b"")), UnpackableFile, "Windows", id="signature-name"),
        pytest.param(_with(Member("signatures/a.sshsig", b"", 0o755)), InvalidArchive, "mode", id="signature-mode"),
        pytest.param(
            _with(Member("signatures/a.sshsig", bytes(70_000))), UnpackableFile, "65,536", id="signature-large"
        ),
        pytest.param(_of(_changed_manifest), PackageTampered, "fingerprint", id="manifest-changed"),
        pytest.param(_of(_changed_contents), PackageTampered, "CONTENTS", id="contents-changed"),
        pytest.param(_of(_changed_file), UnpackableFile, "changed while", id="file-changed"),
        pytest.param(_of(_changed_mode), UnpackableFile, "another mode", id="mode-changed"),
        pytest.param(_of(_executable_contents), UnpackableFile, "expected 0644", id="contents-executable"),
        pytest.param(_sealed({"../evil": b""}), UnpackableFile, "'..'", id="unsafe-path"),
        pytest.param(_sealed({"workflow/json.py": b""}), UnpackableFile, "standard library", id="standard-name"),
        pytest.param(_sealed({f"vendor/{LINUX}/a.pth": b""}), UnpackableFile, "Python runs", id="pth"),
        pytest.param(_sealed({"workflow/" + "z" * 101: b""}), UnpackableFile, "too long", id="long-name"),
        pytest.param(_sealed({"workflow/" + "z" * 150 + "/b/c": b""}), UnpackableFile, "too long", id="long-folder"),
        pytest.param(_sealed({"workflow/zeros": bytes(40_000_000)}), UnpackableFile, "repetitive", id="repetitive"),
        pytest.param(
            _listed(contents_line("workflow/z", b"").replace(b"  0  ", b"  600000000  ")),
            UnpackableFile,
            "536,870,912",
            id="large-file",
        ),
    ],
)  # fmt: skip
def test_what_no_reader_would_take_is_not_written(
    members: Callable[[], list[Member]], kind: type[CloacinaError], word: str, tmp_path: Path
) -> None:
    path = tmp_path / "sample.cloacina"
    path.write_bytes(b"before")
    with pytest.raises(kind) as problem:
        write_archive(path, members(), mtime=EPOCH)
    assert type(problem.value) is kind
    assert word in problem.value.message
    assert [(file, file.read_bytes()) for file in tmp_path.iterdir()] == [(path, b"before")]


def test_invalid_manifest_is_not_written(tmp_path: Path) -> None:
    parts = make()
    parts.entries[0].data = b"{"
    with pytest.raises(InvalidManifest):
        write(tmp_path, parts)
    with pytest.raises(InvalidArchive, match="created_at"):
        write_archive(tmp_path / "a", make().members(), mtime=EPOCH + 1)
    assert list(tmp_path.iterdir()) == []


def test_manifest_that_is_too_large_is_not_written(tmp_path: Path) -> None:
    parts = make(manifest=lambda unsealed: unsealed["package"].update(description="d" * limits.MAX_MANIFEST_BYTES))
    with pytest.raises(UnpackableFile, match="4,194,304"):
        write(tmp_path, parts)
    assert list(tmp_path.iterdir()) == []


def test_more_than_the_whole_limit_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(make().tar())
    monkeypatch.setattr(packing, "MAX_UNPACKED_BYTES", size)
    write(tmp_path, make())
    monkeypatch.setattr(packing, "MAX_UNPACKED_BYTES", size - 1)
    with pytest.raises(UnpackableFile, match="unpacked"):
        write(tmp_path, make(), "other")
    assert [file.name for file in tmp_path.iterdir()] == ["sample.cloacina"]


def test_source_that_changes_ends_the_writing(tmp_path: Path) -> None:
    parts = make({**GOOD_FILES, "workflow/big": random.Random(1).randbytes(3_000_000)})
    source = tmp_path / "source"
    source.write_bytes(parts.at("workflow/big").data)
    members = [Member(m.path, source) if m.path == "workflow/big" else m for m in parts.members()]
    out = tmp_path / "out"
    out.mkdir()

    def shrink(_: int) -> None:
        os.truncate(source, 1_500_000)

    def grow(_: int) -> None:
        with source.open("ab") as file:
            file.write(b"more")

    for change in (grow, shrink):
        with pytest.raises(UnpackableFile, match="workflow/big changed"):
            write_archive(out / "sample.cloacina", members, mtime=EPOCH, on_bytes=change)
    source.unlink()
    with pytest.raises(UnpackableFile, match="workflow/big cannot be read"):
        write_archive(out / "sample.cloacina", members, mtime=EPOCH)
    assert list(out.iterdir()) == []


# ── Where it is written ──────────────────────────────────────────────────────────────────────────────────────────────


def test_interrupted_writing_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sample.cloacina"
    path.write_bytes(b"before")

    def interrupt(_: int) -> None:
        assert len(list(tmp_path.iterdir())) == 2
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_archive(path, make().members(), mtime=EPOCH, on_bytes=interrupt)
    assert [(file, file.read_bytes()) for file in tmp_path.iterdir()] == [(path, b"before")]


def test_output_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputNotWritable, match="No such file"):
        write(tmp_path / "missing", make())
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputNotWritable, match="folder"):
        write(tmp_path, make(), "folder")
    with pytest.raises(OutputNotWritable, match="cannot be written"):
        write(tmp_path, make(), "n" * 300)
    with pytest.raises(OutputNotWritable, match="cannot be written"):
        write(tmp_path, make(), "a\0b")
    (tmp_path / "device").symlink_to(os.devnull)
    with pytest.raises(OutputNotWritable, match="no regular file"):
        write(tmp_path, make(), "device")
    assert {file.name for file in tmp_path.iterdir()} == {"folder", "device"}


def test_full_disk_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "sample.cloacina"
    path.write_bytes(b"before")
    parts = make({**GOOD_FILES, "workflow/big": random.Random(1).randbytes(300_000)})
    with largest_file(100_000), pytest.raises(OutputNotWritable, match="too large"):
        write(tmp_path, parts)
    assert [(file, file.read_bytes()) for file in tmp_path.iterdir()] == [(path, b"before")]


def test_replaced_file_keeps_who_may_read_it(tmp_path: Path) -> None:
    path = write(tmp_path, make())
    path.chmod(0o600)
    write(tmp_path, make())
    assert path.stat().st_mode & 0o777 == 0o600
