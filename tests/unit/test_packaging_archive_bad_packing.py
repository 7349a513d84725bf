"""Packed files that break off, go on, ask for too much, or are something else."""

from __future__ import annotations

import errno
import gzip
import io
import os
import random
import struct
import zlib
from pathlib import Path

import pytest

from archive_samples import GOOD_FILES, assert_refused, make, pack, read_bytes
from cloacina.errors import ArchiveError, ArchiveLimitExceeded, InvalidArchive, PackageNotReadable
from cloacina.packaging.archive import limits, opening, read_package, unpacking
from cloacina.packaging.archive.zstandard import CompressionParameter

MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPABLE = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"skip"
GOOD_TAR = make().tar()
GOOD = pack(GOOD_TAR)


def _frame(descriptor: int, *fields: bytes) -> bytes:
    return MAGIC + bytes([descriptor]) + b"".join(fields)


# One last block of zero bytes.
_END = b"\x01\x00\x00" + bytes(4)

BAD: list[tuple[str, bytes, type[ArchiveError], str]] = [
    ("trailing-byte", GOOD + b"\0", InvalidArchive, "follow"),
    ("trailing-frame", GOOD + GOOD, InvalidArchive, "follow"),
    ("trailing-skippable-frame", GOOD + SKIPPABLE, InvalidArchive, "follow"),
    ("leading-skippable-frame", SKIPPABLE + GOOD, PackageNotReadable, "neither zstd nor gzip"),
    ("two-frames", pack(GOOD_TAR[:1024]) + pack(GOOD_TAR[1024:]), InvalidArchive, "follow"),
    ("no-checksum", pack(GOOD_TAR, options={CompressionParameter.checksum_flag: 0}), InvalidArchive, "checksum"),
    ("checksum-wrong", GOOD[:-1] + bytes([GOOD[-1] ^ 1]), InvalidArchive, "damaged"),
    ("only-magic", MAGIC, InvalidArchive, "breaks off"),
    ("header-cut", GOOD[:6], InvalidArchive, "breaks off"),
    ("reserved-bit", _frame(0x0C, b"\x50", _END), InvalidArchive, "no meaning"),
    ("dictionary", _frame(0x05, b"\x50", b"\x07", _END), InvalidArchive, "dictionary"),
    ("dictionary-of-four-bytes", _frame(0x07, b"\x50", b"\x07\0\0\0", _END), InvalidArchive, "dictionary"),
    ("window-28", _frame(0x04, bytes([(28 - 10) << 3]), _END), ArchiveLimitExceeded, "268,435,456"),
    ("window-27-and-an-eighth", _frame(0x04, bytes([(27 - 10) << 3 | 1]), _END), ArchiveLimitExceeded, "150,994,944"),
    ("window-31", _frame(0x04, bytes([(31 - 10) << 3]), _END), ArchiveLimitExceeded, "2,147,483,648"),
    ("window-41", _frame(0x04, b"\xff", _END), ArchiveLimitExceeded, "memory"),
    ("size-of-exabytes", _frame(0xC4, b"\x50", b"\xff" * 8, _END), ArchiveLimitExceeded, "says that it unpacks to"),
    ("size-beyond-limit", _frame(0x84, b"\x50", b"\x01\0\0\x80", _END), ArchiveLimitExceeded, "2,147,483,649"),
    ("size-beyond-ratio", _frame(0x84, b"\x50", b"\0\0\0\x08", _END), ArchiveLimitExceeded, "100 times"),
    ("size-of-single-segment", _frame(0xA4, b"\0\0\0\x08", _END), ArchiveLimitExceeded, "100 times"),
    ("size-larger-than-content", _frame(0x44, b"\x50", b"\0\x02", _END), InvalidArchive, "damaged"),
    ("reserved-block-type", _frame(0x04, b"\x50", b"\x07\x00\x00" + bytes(4)), InvalidArchive, "damaged"),
    ("no-content", _frame(0x04, b"\x50", b"\x01\x00\x00\x99\xe9\xd8\x51"), InvalidArchive, "breaks off"),
    ("legacy-zstd", b"\x27\xb5\x2f\xfd" + GOOD[4:], PackageNotReadable, "neither zstd nor gzip"),
    ("empty", b"", PackageNotReadable, "empty"),
    ("zeros", bytes(2048), PackageNotReadable, "zeros"),
    ("zip", b"PK\x03\x04" + bytes(100), PackageNotReadable, "zip"),
    ("empty-zip", b"PK\x05\x06" + bytes(18), PackageNotReadable, "zip"),
    ("tar", GOOD_TAR, PackageNotReadable, "not compressed"),
    ("xz", b"\xfd7zXZ\x00" + bytes(100), PackageNotReadable, "xz"),
    ("bzip2", b"BZh91AY&SY" + bytes(100), PackageNotReadable, "bzip2"),
    ("text", "Größe: 1\n".encode(), PackageNotReadable, "text"),
    ("text-cut-in-a-character", b"x" + "ä".encode() * 400, PackageNotReadable, "text"),
    ("web-page", b"\n<!DOCTYPE html><title>404</title>", PackageNotReadable, "web page"),
    ("git-lfs", b"version https://git-lfs.github.com/spec/v1\n", PackageNotReadable, "Git LFS"),
    ("signature", b"-----BEGIN SSH SIGNATURE-----\n", PackageNotReadable, "signature"),
    ("program", b"\x7fELF" + bytes(100), PackageNotReadable, "Linux"),
    ("random", b"\x00\x01\x02\x03" + bytes(range(200)), PackageNotReadable, "00 01 02 03"),
]


def _gzip(tar: bytes = GOOD_TAR) -> bytes:
    return gzip.compress(tar, mtime=0)


BAD_GZIP: list[tuple[str, bytes, str]] = [
    ("trailing-byte", _gzip() + b"\0", "follow"),
    ("two-members", _gzip(GOOD_TAR[:1024]) + _gzip(GOOD_TAR[1024:]), "follow"),
    ("second-member", _gzip() + _gzip(b""), "follow"),
    ("checksum-wrong", _gzip()[:-8] + bytes(4) + _gzip()[-4:], "damaged"),
    ("length-wrong", _gzip()[:-4] + bytes(4), "damaged"),
    ("only-magic", b"\x1f\x8b", "breaks off"),
    ("not-deflate", b"\x1f\x8b\x07" + bytes(40), "damaged"),
    ("reserved-flags", b"\x1f\x8b\x08\xe0" + bytes(40), "damaged"),
    ("extra-field-without-end", b"\x1f\x8b\x08\x04" + bytes(6) + b"\xff\xff" + bytes(100), "breaks off"),
    ("name-without-end", b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 300_000, "breaks off"),
    ("header-checksum-wrong", b"\x1f\x8b\x08\x02" + bytes(6) + b"\1\2" + _gzip()[10:], "damaged"),
    ("damaged", _gzip()[:200] + b"\xff" * 50 + _gzip()[250:], "damaged"),
]


@pytest.mark.parametrize(("data", "kind", "word"), [pytest.param(*rest, id=name) for name, *rest in BAD])
def test_file_that_is_no_packed_package_is_refused(
    data: bytes, kind: type[ArchiveError], word: str, tmp_path: Path
) -> None:
    assert_refused(data, kind, word, tmp_path)


@pytest.mark.parametrize(("data", "word"), [pytest.param(*rest, id=name) for name, *rest in BAD_GZIP])
def test_bad_gzip_is_refused(data: bytes, word: str, tmp_path: Path) -> None:
    assert_refused(data, InvalidArchive, word, tmp_path)


@pytest.mark.parametrize("data", [pytest.param(GOOD, id="zstd"), pytest.param(_gzip(), id="gzip")])
def test_file_that_breaks_off_is_refused_wherever_it_does(data: bytes, tmp_path: Path) -> None:
    read_bytes(data, tmp_path)
    # All of the header and of the end, where forms differ, and some of the blocks between.
    for end in sorted({*range(40), *range(40, len(data), 17), *range(len(data) - 40, len(data))}):
        with pytest.raises((PackageNotReadable, InvalidArchive)):
            read_bytes(data[:end], tmp_path)


@pytest.mark.parametrize("data", [pytest.param(GOOD, id="zstd"), pytest.param(_gzip(), id="gzip")])
def test_package_is_read_the_same_however_it_is_packed(data: bytes, tmp_path: Path) -> None:
    assert read_bytes(data, tmp_path).fingerprint == read_bytes(GOOD, tmp_path).fingerprint


def test_gzip_with_a_name_and_a_time_is_read(tmp_path: Path) -> None:
    body = zlib.compressobj(9, zlib.DEFLATED, -15)
    extra = b"\x1f\x8b\x08\x1c" + struct.pack("<IBB", 1_700_000_000, 2, 3) + b"\x04\0extra"[:6] + b"report.tar\0note\0"
    packed = extra + body.compress(GOOD_TAR) + body.flush()
    packed += struct.pack("<II", zlib.crc32(GOOD_TAR), len(GOOD_TAR))
    assert read_bytes(packed, tmp_path).compression == "gzip"


def test_frame_without_size_is_read(tmp_path: Path) -> None:
    read_bytes(pack(GOOD_TAR, is_size_known=False), tmp_path)


@pytest.mark.parametrize("is_size_known", [True, False])
@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_bomb_is_refused_before_it_goes_off(compression: str, is_size_known: bool, tmp_path: Path) -> None:
    data = bytes(40 * 1024 * 1024)
    tar = make({**GOOD_FILES, "workflow/zeros": data}).tar()
    packed = pack(tar, is_size_known=is_size_known) if compression == "zstd" else _gzip(tar)
    assert_refused(packed, ArchiveLimitExceeded, "100 times", tmp_path)


def test_bomb_unpacks_no_more_than_its_size_allows(tmp_path: Path) -> None:
    path = tmp_path / "bomb.cloacina"
    path.write_bytes(pack(bytes(200 * 1024 * 1024), is_size_known=False))
    unpacked = 0
    with opening.open_package(path) as opened:
        chunks = unpacking.unpack(opened)
        with pytest.raises(ArchiveLimitExceeded):
            for chunk in chunks:
                unpacked += len(chunk)
        assert unpacked <= limits.RATIO_BASE_BYTES + limits.MAX_RATIO * opened.size


def test_bomb_at_the_end_of_much_honest_data_is_refused(tmp_path: Path) -> None:
    honest = random.Random(4).randbytes(100_000)
    files = {**GOOD_FILES, "workflow/a": honest, "workflow/zeros": bytes(30 * 1024 * 1024)}
    assert_refused(pack(make(files).tar(), is_size_known=False), ArchiveLimitExceeded, "100 times", tmp_path)


def test_more_than_the_whole_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_BYTES", len(GOOD_TAR))
    read_bytes(GOOD, tmp_path)
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_BYTES", len(GOOD_TAR) - 1)
    (tmp_path / "sample.cloacina").unlink()
    assert_refused(GOOD, ArchiveLimitExceeded, "more than", tmp_path)


def test_file_larger_than_a_package_may_be_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.cloacina"
    path.write_bytes(GOOD)
    os.truncate(path, limits.MAX_UNPACKED_BYTES + 1)
    with pytest.raises(ArchiveLimitExceeded, match="2,147,483,649"):
        read_package(path)


def test_largest_window_of_the_limit_is_read(tmp_path: Path) -> None:
    options: dict[int, int] = {CompressionParameter.window_log: 27}
    assert pack(GOOD_TAR, options=options, is_size_known=False)[5] == (27 - 10) << 3
    read_bytes(pack(GOOD_TAR, options=options, is_size_known=False), tmp_path)
    with pytest.raises(ArchiveLimitExceeded, match="memory"):
        read_bytes(pack(GOOD_TAR, options={CompressionParameter.window_log: 28}, is_size_known=False), tmp_path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder.cloacina"
    folder.mkdir()
    with pytest.raises(PackageNotReadable, match="cloacina build"):
        read_package(folder)
    with pytest.raises(PackageNotReadable, match="no file"):
        read_package(tmp_path / "missing.cloacina")
    with pytest.raises(PackageNotReadable, match="cannot be read"):
        read_package(Path("a\0b"))
    with pytest.raises(PackageNotReadable, match="cannot be read"):
        read_package(tmp_path / ("n" * 300))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs on this system")
def test_fifo_and_device_are_refused_without_waiting(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.cloacina"
    os.mkfifo(fifo)
    with pytest.raises(PackageNotReadable, match="FIFO"):
        read_package(fifo)
    with pytest.raises(PackageNotReadable, match="device"):
        read_package(Path(os.devnull))


def test_file_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PackageNotReadable, match="Permission denied"):
        read_package(tmp_path / "locked.cloacina")


def test_file_that_fails_while_it_is_read_is_refused(tmp_path: Path) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() or size != 512:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return super().read(size)

    package = opening.OpenPackage(Failing(GOOD), len(GOOD), "zstd")
    with pytest.raises(PackageNotReadable, match="Input/output error"):
        next(unpacking.unpack(package))


def test_link_to_a_package_is_read(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(GOOD)
    link = tmp_path / "link.cloacina"
    link.symlink_to("real")
    assert read_package(link).path == link


def test_progress_counts_all_packed_bytes(tmp_path: Path) -> None:
    path = tmp_path / "sample.cloacina"
    path.write_bytes(GOOD)
    counts: list[int] = []
    read_package(path, on_bytes=counts.append)
    assert sum(counts) == len(GOOD)
