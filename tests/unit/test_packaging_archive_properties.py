"""What holds for every package: a round trip keeps it, and no change of its bytes passes for another content."""

from __future__ import annotations

import tempfile
import unicodedata
from pathlib import Path
from typing import Final

import pytest
from hypothesis import assume, example, given, settings, strategies as st

from archive_samples import (
    EPOCH,
    GOOD_FILES,
    LINUX,
    MACOS,
    SIGNATURE,
    TEXTS,
    contents_line,
    make,
    make_signed,
    pack,
)
from cloacina.errors import ArchiveError, InvalidArchive, UnpackableFile, UnsafeArchive
from cloacina.packaging.archive import (
    ContentsEntry,
    check_path,
    extract_package,
    parse_contents,
    read_package,
    render_contents,
    write_archive,
)
from cloacina.packaging.archive.names import PathRegistry, fold
from cloacina.packaging.archive.ustar import fits_header, parse_header, render_header

SIGNED = make_signed()
SIGNED_TAR = SIGNED.tar()
SIGNED_PACKED = pack(SIGNED_TAR)

_INVISIBLE: Final = ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp")
_parts = (
    st.text(st.characters(codec="utf-8", exclude_categories=_INVISIBLE), min_size=1, max_size=12)
    .map(lambda part: unicodedata.normalize("NFC", part))
    .filter(lambda part: _is_safe(f"workflow/{part}"))
)
_paths = st.lists(_parts, min_size=1, max_size=4).map("/".join)
_folders = st.sampled_from(["workflow/src", "vendor/any/lib", f"vendor/{LINUX}/lib", f"vendor/{MACOS}/lib"])
_files = st.dictionaries(
    st.builds("{}/{}".format, _folders, _paths),
    st.tuples(st.binary(max_size=2000), st.sampled_from([0o644, 0o755])),
    max_size=6,
)  # fmt: skip


def _is_safe(path: str) -> bool:
    try:
        check_path(path)
    except UnsafeArchive:
        return False
    return True


def _content(package_bytes: bytes, folder: Path) -> tuple[str, dict[str, bytes]]:
    """Return what a package extracts to: the manifest's meaning, and the bytes of all other files."""
    path = folder / "sample.cloacina"
    path.write_bytes(package_bytes)
    done = extract_package(path, folder / "out", layout="raw")
    files = {
        file.relative_to(done.folder).as_posix(): file.read_bytes() for file in done.folder.rglob("*") if file.is_file()
    }
    del files["manifest.json"]
    return done.package.fingerprint, files


def _assert_same_or_refused(package_bytes: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            found = _content(package_bytes, folder)
        except ArchiveError:
            assert [path.name for path in folder.iterdir()] == ["sample.cloacina"]
            return
        assert found == _SIGNED_CONTENT


with tempfile.TemporaryDirectory() as _name:
    _SIGNED_CONTENT = _content(SIGNED_PACKED, Path(_name))


@given(files=_files)
@settings(max_examples=60)
def test_round_trip_keeps_paths_bytes_and_modes(files: dict[str, tuple[bytes, int]]) -> None:
    contents = {**GOOD_FILES, **{path: data for path, (data, _) in files.items()}}
    modes = {path: mode for path, (_, mode) in files.items()}
    parts = make(contents, modes=modes)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "sample.cloacina"
        try:
            write_archive(path, parts.members(), mtime=EPOCH)
        except (UnpackableFile, InvalidArchive):
            # Two random names may be one on some system, or too long: then readers have to refuse them too.
            path.write_bytes(parts.pack())
            with pytest.raises(ArchiveError):
                read_package(path)
            return
        package = read_package(path)
        assert {entry.path: entry.mode for entry in package.contents} == {
            path: modes.get(path, 0o644) for path in contents
        }
        extract_package(path, Path(name) / "out", layout="raw")
        assert {entry: (Path(name) / "out" / entry).read_bytes() for entry in contents} == contents


@given(data=st.binary(max_size=3000))
def test_arbitrary_bytes_are_no_package(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        for start in (b"", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08"):
            path = Path(name) / "sample.cloacina"
            path.write_bytes(start + data)
            with pytest.raises(ArchiveError):
                read_package(path)


@given(data=st.binary(max_size=5000))
def test_arbitrary_tar_streams_are_no_package(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "sample.cloacina"
        path.write_bytes(pack(data))
        with pytest.raises(ArchiveError):
            read_package(path)


@given(at=st.integers(0, len(SIGNED_PACKED) * 8 - 1))
def test_flipped_bit_of_the_packed_file_changes_no_content(at: int) -> None:
    flipped = bytearray(SIGNED_PACKED)
    flipped[at // 8] ^= 1 << at % 8
    _assert_same_or_refused(bytes(flipped))


@given(at=st.integers(0, len(SIGNED_TAR) * 8 - 1))
@settings(max_examples=200)
def test_flipped_bit_of_the_tar_stream_is_refused_but_in_a_signature(at: int) -> None:
    flipped = bytearray(SIGNED_TAR)
    flipped[at // 8] ^= 1 << at % 8
    # Signatures are no part of what is identified; whether one is valid is another check.
    body = SIGNED_TAR.index(b"signature\0\0\0\0\0\0\0")
    assume(not body <= at // 8 < body + len(b"signature"))
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "sample.cloacina"
        path.write_bytes(pack(bytes(flipped)))
        with pytest.raises(ArchiveError):
            read_package(path)


_blocks = st.integers(0, 20).map(lambda number: SIGNED_TAR[512 * number : 512 * number + 512])


@given(
    start=st.integers(0, len(SIGNED_TAR)),
    length=st.integers(0, 2048),
    inserted=st.one_of(st.just(b""), st.binary(max_size=600), _blocks),
)
def test_spliced_tar_stream_changes_no_content(start: int, length: int, inserted: bytes) -> None:
    _assert_same_or_refused(pack(SIGNED_TAR[:start] + inserted + SIGNED_TAR[start + length :]))


@given(
    order=st.permutations(range(len(SIGNED.entries))),
    copies=st.lists(st.integers(0, len(SIGNED.entries) - 1), max_size=2),
)
def test_other_order_of_the_files_changes_no_content(order: list[int], copies: list[int]) -> None:
    entries = [SIGNED.entries[index].render() for index in (*order, *copies)]
    _assert_same_or_refused(pack(b"".join(entries) + SIGNED.end))


_path_texts = st.one_of(st.text(max_size=300), st.text(st.sampled_from("ab/.\\: \0\u202eÅA\u030a"), max_size=40))


@given(path=_path_texts)
@example("workflow/" + "x" * 300)
@example("/")
@example(".")
def test_every_path_is_checked_without_other_errors(path: str) -> None:
    try:
        check_path(path)
    except UnsafeArchive as problem:
        assert problem.message.isprintable()  # noqa: PT017 - most paths are refused, and some are not
        return
    parts = path.split("/")
    assert path
    assert not {"", ".", ".."} & set(parts)
    assert not any(character in part for part in parts for character in '\0\n\\:*?"<>|')
    assert path == unicodedata.normalize("NFC", path)
    assert len(path.encode()) <= 1024
    check_path(path)


_similar_paths = st.lists(st.sampled_from(["a", "A", "b", "fi", "\ufb01", "ss", "\xdf"]), min_size=1, max_size=3)


@given(first=_similar_paths, second=_similar_paths)
def test_registry_refuses_exactly_what_some_system_takes_for_one(first: list[str], second: list[str]) -> None:
    folded = list(zip(map(fold, first), map(fold, second), strict=False))
    shared = next((depth for depth, (one, other) in enumerate(folded) if one != other), len(folded))
    is_same_or_above = shared == min(len(first), len(second))
    is_folder_spelt_twice = first[:shared] != second[:shared]
    registry = PathRegistry()
    registry.add("/".join(first))
    if is_same_or_above or is_folder_spelt_twice:
        with pytest.raises(UnsafeArchive):
            registry.add("/".join(second))
    else:
        registry.add("/".join(second))


@given(
    path=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=200),
    size=st.integers(0, 2**33 - 1),
    mode=st.sampled_from([0o644, 0o755]),
    mtime=st.integers(0, 2**33 - 1),
)
def test_header_says_what_it_was_made_of(path: str, size: int, mode: int, mtime: int) -> None:
    assume(fits_header(path))
    header = parse_header(render_header(path, size, mode, mtime))
    assert (header.path, header.size, header.mode, header.mtime) == (path, size, mode, mtime)


@given(block=st.binary(min_size=512, max_size=512))
def test_arbitrary_block_is_no_header(block: bytes) -> None:
    with pytest.raises(ArchiveError):
        parse_header(block)


@given(paths=st.sets(_paths, max_size=8), size=st.integers(0, 1000), mode=st.sampled_from([0o644, 0o755]))
def test_contents_are_read_as_they_are_written(paths: set[str], size: int, mode: int) -> None:
    entries = [ContentsEntry("0" * 64, size, mode, path) for path in paths]
    parsed = parse_contents(render_contents(entries))
    assert sorted(parsed, key=lambda entry: entry.path) == sorted(entries, key=lambda entry: entry.path)
    assert render_contents(reversed(parsed)) == render_contents(entries)


@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
@example(contents_line("a", b"") + contents_line("a", b""))
def test_contents_that_are_read_are_those_that_are_written(data: bytes) -> None:
    try:
        entries = parse_contents(data)
    except ArchiveError:
        return
    assert render_contents(entries) == data


def test_sample_of_the_mutations_is_a_package() -> None:
    assert set(_SIGNED_CONTENT[1]) == {"CONTENTS", SIGNATURE, *TEXTS, *GOOD_FILES}
