"""Packages whose tar stream is not the one that belongs to their content: types, fields, padding, order and end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from archive_samples import EPOCH, GOOD_FILES, Entry, Parts, assert_refused, make, pack, read_bytes
from cloacina.errors import ArchiveError, ArchiveLimitExceeded, InvalidArchive, PackageTampered, UnsafeArchive

TASKS = "workflow/report/tasks.py"
KINDS: list[tuple[bytes, str]] = [
    (b"\0", "before POSIX"),
    (b"1", "hard link"),
    (b"2", "symbolic link"),
    (b"3", "character device"),
    (b"4", "block device"),
    (b"5", "folder"),
    (b"6", "FIFO"),
    (b"7", "contiguous"),
    (b"D", "GNU folder"),
    (b"K", "GNU long link"),
    (b"L", "GNU long name"),
    (b"M", "continuation"),
    (b"S", "sparse"),
    (b"V", "volume"),
    (b"X", "Solaris"),
    (b"g", "pax global"),
    (b"x", "pax extended"),
    (b"Z", "unknown type"),
]
# The header of one file with one field replaced.
FIELDS: list[tuple[str, dict[str, bytes], type[ArchiveError], str]] = [
    ("checksum-wrong", {"chksum": b"000000\0 "}, InvalidArchive, "checksum"),
    ("checksum-empty", {"chksum": b"        "}, InvalidArchive, "checksum"),
    ("magic-of-gnu", {"magic": b"ustar ", "version": b" \0"}, InvalidArchive, "ustar"),
    ("magic-missing", {"magic": b"", "version": b""}, InvalidArchive, "ustar"),
    ("version-other", {"version": b"01"}, InvalidArchive, "ustar"),
    ("size-of-gnu", {"size": b"\x80" + bytes(10) + b"\x18"}, InvalidArchive, "size"),
    ("size-negative", {"size": b"\xff" * 12}, InvalidArchive, "size"),
    ("size-minus", {"size": b"-0000000030\0"}, InvalidArchive, "size"),
    ("size-not-octal", {"size": b"00000000028\0"}, InvalidArchive, "size"),
    ("size-with-spaces", {"size": b"         30\0"}, InvalidArchive, "size"),
    ("size-without-end", {"size": b"000000000030"}, InvalidArchive, "size"),
    ("size-short", {"size": b"30"}, InvalidArchive, "size"),
    ("size-larger", {"size": b"00000000031\0"}, PackageTampered, "size"),
    ("size-smaller", {"size": b"00000000000\0"}, PackageTampered, "size"),
    ("size-beyond-limit", {"size": b"04000000001\0"}, ArchiveLimitExceeded, "536,870,912"),
    ("mode-private", {"mode": b"0000600\0"}, UnsafeArchive, "0600"),
    ("mode-setuid", {"mode": b"0004755\0"}, UnsafeArchive, "4755"),
    ("mode-setgid", {"mode": b"0002755\0"}, UnsafeArchive, "2755"),
    ("mode-sticky", {"mode": b"0001755\0"}, UnsafeArchive, "1755"),
    ("mode-world-writable", {"mode": b"0000666\0"}, UnsafeArchive, "0666"),
    ("mode-group-writable", {"mode": b"0000775\0"}, UnsafeArchive, "0775"),
    ("mode-with-type", {"mode": b"0100644\0"}, UnsafeArchive, "100644"),
    ("mode-short", {"mode": b"644"}, InvalidArchive, "mode"),
    ("mode-executable", {"mode": b"0000755\0"}, PackageTampered, "mode"),
    ("uid", {"uid": b"0001750\0"}, InvalidArchive, "uid"),
    ("gid", {"gid": b"0000001\0"}, InvalidArchive, "gid"),
    ("uid-empty", {"uid": b""}, InvalidArchive, "uid"),
    ("mtime-other", {"mtime": b"02263606401\0"}, InvalidArchive, "time"),
    ("mtime-negative", {"mtime": b"\xff" * 12}, InvalidArchive, "time"),
    ("uname", {"uname": b"root"}, InvalidArchive, "uname"),
    ("gname", {"gname": b"wheel"}, InvalidArchive, "gname"),
    ("linkname", {"linkname": b"/etc/passwd"}, InvalidArchive, "linkname"),
    ("devmajor", {"devmajor": b"0000001\0"}, InvalidArchive, "devmajor"),
    ("devminor-zero", {"devminor": b"0000000\0"}, InvalidArchive, "devminor"),
    ("padding", {"padding": b"hidden"}, InvalidArchive, "padding"),
    ("prefix-where-none-is-needed", {"prefix": b"workflow", "name": b"report/tasks.py"}, InvalidArchive, "name"),
    ("name-in-the-prefix", {"prefix": b"workflow/" + b"a" * 140, "name": b""}, InvalidArchive, "does not fit"),
    ("name-with-rest-after-nul", {"name": TASKS.encode() + b"\0x"}, UnsafeArchive, "control"),
]


@pytest.mark.parametrize(("kind", "word"), KINDS)
@pytest.mark.parametrize("place", ["first", "added", "instead"])
def test_everything_but_a_regular_file_is_refused(kind: bytes, word: str, place: str, tmp_path: Path) -> None:
    parts = make()
    if place == "instead":
        parts.at(TASKS).kind = kind
    else:
        link = Entry(b"workflow/link", kind=kind, fields={"linkname": b"../../etc/passwd"})
        parts.entries.insert(0 if place == "first" else 2, link)
    assert_refused(parts.pack(), UnsafeArchive, word, tmp_path)


@pytest.mark.parametrize(("fields", "kind", "word"), [pytest.param(*rest, id=name) for name, *rest in FIELDS])
def test_header_that_differs_in_one_field_is_refused(
    fields: dict[str, bytes], kind: type[ArchiveError], word: str, tmp_path: Path
) -> None:
    parts = make()
    parts.at(TASKS).fields = fields
    assert_refused(parts.pack(), kind, word, tmp_path)


def test_signed_checksum_is_refused(tmp_path: Path) -> None:
    path = "workflow/\u65e5\u672c.txt"
    parts = make({**GOOD_FILES, path: b""})
    read_bytes(parts.pack(), tmp_path)
    entry = parts.at(path)
    block = entry.header()
    signed = sum(byte - 256 * (byte > 127) for byte in block[:148] + b" " * 8 + block[156:])
    entry.fields["chksum"] = b"%06o\0 " % signed
    (tmp_path / "sample.cloacina").unlink()
    assert_refused(parts.pack(), InvalidArchive, "checksum", tmp_path)


@pytest.mark.parametrize("at", ["manifest.json", "CONTENTS"])
@pytest.mark.parametrize(("mode", "kind"), [(0o755, InvalidArchive), (0o4644, UnsafeArchive)])
def test_frame_with_another_mode_is_refused(at: str, mode: int, kind: type[ArchiveError], tmp_path: Path) -> None:
    parts = make()
    parts.at(at).mode = mode
    assert_refused(parts.pack(), kind, "mode", tmp_path)


def test_time_that_is_not_that_of_the_manifest_is_refused(tmp_path: Path) -> None:
    parts = make()
    for entry in parts.entries:
        entry.mtime = EPOCH + 1
    assert_refused(parts.pack(), InvalidArchive, "created_at", tmp_path)


def test_time_that_differs_between_the_first_files_is_refused(tmp_path: Path) -> None:
    parts = make()
    parts.at("CONTENTS").mtime += 1
    assert_refused(parts.pack(), InvalidArchive, "time", tmp_path)


def _swap(parts: Parts, one: str, other: str) -> None:
    first, second = parts.index(one), parts.index(other)
    parts.entries[first], parts.entries[second] = parts.entries[second], parts.entries[first]


def _manifest_second(parts: Parts) -> None:
    _swap(parts, "manifest.json", "CONTENTS")


def _manifest_last(parts: Parts) -> None:
    parts.entries.append(parts.entries.pop(0))


def _manifest_missing(parts: Parts) -> None:
    del parts.entries[0]


def _contents_missing(parts: Parts) -> None:
    del parts.entries[1]


def _contents_late(parts: Parts) -> None:
    _swap(parts, "CONTENTS", "provenance.json")


def _second_manifest(parts: Parts) -> None:
    parts.entries.insert(1, parts.entries[0])


def _second_manifest_at_end(parts: Parts) -> None:
    parts.entries.append(Entry(b"manifest.json", b"{}"))


def _second_contents(parts: Parts) -> None:
    parts.entries.insert(2, parts.entries[1])


def _file_twice(parts: Parts) -> None:
    at = parts.index(TASKS)
    parts.entries.insert(at, parts.entries[at])


def _file_twice_later(parts: Parts) -> None:
    parts.entries.append(Entry(TASKS.encode(), b"other"))


def _unsorted(parts: Parts) -> None:
    _swap(parts, "pylock.toml", "provenance.json")


def _no_files(parts: Parts) -> None:
    parts.entries.clear()


def _signature_twice(parts: Parts) -> None:
    at = parts.index("vendor/any/numpy/__init__.py")
    parts.entries[at:at] = [Entry(b"signatures/a.sshsig", b"1"), Entry(b"signatures/a.sshsig", b"2")]


def _signatures_unsorted(parts: Parts) -> None:
    at = parts.index("vendor/any/numpy/__init__.py")
    parts.entries[at:at] = [Entry(b"signatures/b.sshsig"), Entry(b"signatures/a.sshsig")]


def _signature_case(parts: Parts) -> None:
    at = parts.index("vendor/any/numpy/__init__.py")
    parts.entries[at:at] = [Entry(b"signatures/A.sshsig"), Entry(b"signatures/a.sshsig")]


def _signature_late(parts: Parts) -> None:
    parts.entries.append(Entry(b"signatures/a.sshsig"))


def _signature_early(parts: Parts) -> None:
    parts.entries.insert(2, Entry(b"signatures/a.sshsig"))


def _signature_executable(parts: Parts) -> None:
    at = parts.index("vendor/any/numpy/__init__.py")
    parts.entries.insert(at, Entry(b"signatures/a.sshsig", mode=0o755))


def _signature_large(parts: Parts) -> None:
    at = parts.index("vendor/any/numpy/__init__.py")
    parts.entries.insert(at, Entry(b"signatures/a.sshsig", bytes(64 * 1024 + 1)))


def _signatures_many(parts: Parts) -> None:
    at = parts.index("vendor/any/numpy/__init__.py")
    parts.entries[at:at] = [Entry(b"signatures/%02d.sshsig" % number) for number in range(65)]


def _signature_folder(parts: Parts) -> None:
    at = parts.index("vendor/any/numpy/__init__.py")
    parts.entries.insert(at, Entry(b"signatures/keys/a.sshsig"))


def _signature_of_another_kind(parts: Parts) -> None:
    at = parts.index("vendor/any/numpy/__init__.py")
    parts.entries.insert(at, Entry(b"signatures/run.sh", b"#!/bin/sh"))


@pytest.mark.parametrize(
    ("spoil", "kind", "word"),
    [
        (_manifest_second, InvalidArchive, "begins with"),
        (_manifest_last, InvalidArchive, "begins with"),
        (_manifest_missing, InvalidArchive, "begins with"),
        (_contents_missing, InvalidArchive, "where CONTENTS belongs"),
        (_contents_late, InvalidArchive, "where CONTENTS belongs"),
        (_second_manifest, InvalidArchive, "where CONTENTS belongs"),
        (_second_manifest_at_end, UnsafeArchive, "twice"),
        (_second_contents, UnsafeArchive, "twice"),
        (_file_twice, UnsafeArchive, "twice"),
        (_file_twice_later, UnsafeArchive, "twice"),
        (_unsorted, PackageTampered, "in its place"),
        (_no_files, InvalidArchive, "no manifest.json"),
        (_signature_twice, UnsafeArchive, "twice"),
        (_signatures_unsorted, InvalidArchive, "not sorted"),
        (_signature_case, UnsafeArchive, "one file on some systems"),
        (_signature_late, InvalidArchive, "not sorted"),
        (_signature_early, PackageTampered, "not in the archive"),
        (_signature_executable, InvalidArchive, "mode"),
        (_signature_large, ArchiveLimitExceeded, "65,536"),
        (_signatures_many, ArchiveLimitExceeded, "64 signatures"),
        (_signature_folder, PackageTampered, "does not list it"),
        (_signature_of_another_kind, PackageTampered, "does not list it"),
    ],
)
def test_files_in_another_order_or_number_are_refused(
    spoil: Callable[[Parts], None], kind: type[ArchiveError], word: str, tmp_path: Path
) -> None:
    parts = make()
    spoil(parts)
    assert_refused(parts.pack(), kind, word, tmp_path)


@pytest.mark.parametrize(
    ("end", "word"),
    [
        pytest.param(b"", "breaks off", id="none"),
        pytest.param(bytes(512), "breaks off", id="one-block"),
        pytest.param(bytes(1023), "breaks off", id="one-byte-short"),
        pytest.param(bytes(1025), "More follows", id="one-byte-more"),
        pytest.param(bytes(1536), "More follows", id="three-blocks"),
        pytest.param(bytes(10240), "More follows", id="record-of-tar"),
        pytest.param(bytes(1024) + b"hidden", "More follows", id="hidden-data"),
        pytest.param(bytes(512) + b"x" + bytes(511), "one empty block", id="second-block-not-empty"),
        pytest.param(b"x" + bytes(1023), "checksum", id="first-block-not-empty"),
    ],
)
def test_end_that_is_not_two_empty_blocks_is_refused(end: bytes, word: str, tmp_path: Path) -> None:
    parts = make()
    parts.end = end
    assert_refused(parts.pack(), InvalidArchive, word, tmp_path)


@pytest.mark.parametrize("path", ["manifest.json", "CONTENTS", "pylock.toml", TASKS])
def test_padding_that_is_not_zero_is_refused(path: str, tmp_path: Path) -> None:
    parts = make()
    entry = parts.at(path)
    entry.padding = bytes(-len(entry.data) % 512 - 1) + b"\x01"
    assert_refused(parts.pack(), InvalidArchive, "padding", tmp_path)


def test_empty_block_between_files_is_refused(tmp_path: Path) -> None:
    parts = make()
    entry = parts.entries[parts.index(TASKS) - 1]
    entry.padding = bytes(-len(entry.data) % 512 + 512)
    assert_refused(parts.pack(), PackageTampered, "ends without it", tmp_path)


def test_archive_that_breaks_off_is_refused_at_every_block(tmp_path: Path) -> None:
    tar = make().tar()
    (tmp_path / "out").mkdir()
    for end in range(0, len(tar), 512):
        with pytest.raises((InvalidArchive, PackageTampered)):
            read_bytes(pack(tar[:end]), tmp_path)


def test_zstd_of_something_else_is_refused(tmp_path: Path) -> None:
    assert_refused(pack(b"just some text, long enough for a block. " * 50), InvalidArchive, "no header", tmp_path)
