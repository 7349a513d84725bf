"""Packages whose content is not what their manifest, fingerprint and CONTENTS say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archive_samples import (
    GOOD_FILES,
    LINUX,
    MACOS,
    TEXTS,
    Entry,
    assert_refused,
    contents_line,
    make,
    pack,
    read_bytes,
    seal,
)
from cloacina.errors import (
    ArchiveError,
    ArchiveLimitExceeded,
    InvalidArchive,
    InvalidManifest,
    PackageTampered,
    UnsafeArchive,
    UnsupportedManifest,
)

TASKS = "workflow/report/tasks.py"
_TASKS_LINE = contents_line(TASKS, GOOD_FILES[TASKS])
_RUN_LINE = contents_line("workflow/run.sh", GOOD_FILES["workflow/run.sh"], 0o755)


def _replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def replace(raw: bytes) -> bytes:
        assert old in raw
        return raw.replace(old, new)

    return replace


# CONTENTS as it should be → as it is, under a manifest that was made for it.
CONTENTS: list[tuple[str, Callable[[bytes], bytes], type[ArchiveError], str]] = [
    ("lists-too-little", _replaced(_TASKS_LINE, b""), PackageTampered, "does not list it"),
    ("lists-too-little-at-end", _replaced(_RUN_LINE, b""), PackageTampered, "does not list it"),
    ("lists-nothing", lambda _: b"", InvalidArchive, "has no"),
    ("lists-too-much", lambda raw: raw + contents_line("workflow/z.py", b""), PackageTampered, "ends without it"),
    ("lists-too-much-between", _replaced(_TASKS_LINE, _TASKS_LINE + contents_line(TASKS + "a", b"")), PackageTampered,
     "in its place"),
    ("hash", _replaced(_TASKS_LINE[:64], b"0" * 64), PackageTampered, "sha256"),
    ("size-larger", _replaced(_TASKS_LINE[64:80], _TASKS_LINE[64:80].replace(b"  24  ", b"  25  ")), PackageTampered,
     "size"),
    ("size-zero", _replaced(_TASKS_LINE[64:80], _TASKS_LINE[64:80].replace(b"  24  ", b"  0  ")), PackageTampered,
     "size"),
    ("mode", _replaced(_RUN_LINE[66:], _RUN_LINE[66:].replace(b"0755", b"0644")), PackageTampered, "mode"),
    ("mode-setuid", _replaced(_RUN_LINE[66:], _RUN_LINE[66:].replace(b"0755", b"4755")), InvalidArchive, "Line"),
    ("mode-private", _replaced(_RUN_LINE[66:], _RUN_LINE[66:].replace(b"0755", b"0600")), InvalidArchive, "Line"),
    ("mode-short", _replaced(b"  0755  ", b"  755  "), InvalidArchive, "Line"),
    ("mode-of-text", _replaced(b"  0644  pylock.toml", b"  0755  pylock.toml"), InvalidArchive, "expected 0644"),
    ("unsorted", lambda raw: b"".join(reversed(raw.splitlines(keepends=True))), InvalidArchive, "order"),
    ("twice", _replaced(_TASKS_LINE, _TASKS_LINE * 2), InvalidArchive, "twice"),
    ("twice-with-two-hashes", _replaced(_TASKS_LINE, _TASKS_LINE + contents_line(TASKS, b"")), InvalidArchive, "twice"),
    ("empty-line", _replaced(_TASKS_LINE, b"\n" + _TASKS_LINE), InvalidArchive, "Line"),
    ("empty-line-at-end", lambda raw: raw + b"\n", InvalidArchive, "Line"),
    ("comment", lambda raw: b"# files\n" + raw, InvalidArchive, "Line 1"),
    ("no-line-feed-at-end", lambda raw: raw[:-1], InvalidArchive, "line feed"),
    ("carriage-returns", lambda raw: raw.replace(b"\n", b"\r\n"), InvalidArchive, "Line 1"),
    ("upper-case-hash", _replaced(_TASKS_LINE[:64], _TASKS_LINE[:64].upper()), InvalidArchive, "Line"),
    ("short-hash", _replaced(_TASKS_LINE[:64], _TASKS_LINE[:63]), InvalidArchive, "Line"),
    ("one-space", lambda raw: raw.replace(b"  ", b" "), InvalidArchive, "Line 1"),
    ("tabs", lambda raw: raw.replace(b"  ", b"\t"), InvalidArchive, "Line 1"),
    ("size-with-zero", _replaced(b"  24  0644", b"  024  0644"), InvalidArchive, "Line"),
    ("size-negative", _replaced(b"  24  0644", b"  -24  0644"), InvalidArchive, "Line"),
    ("size-in-other-digits", _replaced(b"  24  0644", "  ٢٤  0644".encode()), InvalidArchive, "Line"),
    ("size-of-many-digits", _replaced(b"  24  0644", b"  " + b"9" * 5000 + b"  0644"), InvalidArchive, "Line"),
    ("size-beyond-limit", _replaced(b"  24  0644", b"  536870913  0644"), ArchiveLimitExceeded, "536,870,912"),
    ("not-utf-8", lambda raw: raw + b"\xff\n", InvalidArchive, "UTF-8"),
    ("byte-order-mark", lambda raw: b"\xef\xbb\xbf" + raw, InvalidArchive, "Line 1"),
    ("nul", lambda raw: raw + b"\0\n", InvalidArchive, "Line"),
    ("itself", lambda raw: contents_line("CONTENTS", b"") + raw, InvalidArchive, "'CONTENTS'"),
    ("manifest", lambda raw: contents_line("manifest.json", b"") + raw, InvalidArchive, "'manifest.json'"),
]  # fmt: skip


@pytest.mark.parametrize(("contents", "kind", "word"), [pytest.param(*rest, id=name) for name, *rest in CONTENTS])
def test_contents_that_is_not_that_of_the_files_is_refused(
    contents: Callable[[bytes], bytes], kind: type[ArchiveError], word: str, tmp_path: Path
) -> None:
    assert_refused(make(contents=contents).pack(), kind, word, tmp_path)


def test_contents_of_too_many_files_is_refused(tmp_path: Path) -> None:
    parts = make(contents=lambda _: b"".join(contents_line(f"workflow/f{n:06}", b"") for n in range(50_001)))
    assert_refused(parts.pack(), ArchiveLimitExceeded, "50,001", tmp_path)


def test_contents_of_too_many_folders_is_refused(tmp_path: Path) -> None:
    below = "/a" * 28
    lines = b"".join(contents_line(f"workflow/{n:06}{below}/x", b"") for n in range(1_725))
    assert_refused(make(contents=lambda _: lines).pack(), ArchiveLimitExceeded, "50,000 folders", tmp_path)


def test_path_without_room_is_refused_before_folders_are_counted(tmp_path: Path) -> None:
    below = "/aaaaaaaaaaaa" * 28
    lines = b"".join(contents_line(f"workflow/{n:06}{below}/x", b"") for n in range(1_725))
    assert_refused(make(contents=lambda _: lines).pack(), InvalidArchive, "no room", tmp_path)


def test_contents_of_too_many_bytes_is_refused(tmp_path: Path) -> None:
    def huge(raw: bytes) -> bytes:
        line = contents_line("x", b"").replace(b"  0  ", b"  500000000  ")
        return raw + b"".join(line.replace(b"  x\n", b"  workflow/z%d\n" % number) for number in range(5))

    assert_refused(make(contents=huge).pack(), ArchiveLimitExceeded, "2,147,483,648", tmp_path)


def test_signature_in_the_fingerprint_is_refused(tmp_path: Path) -> None:
    files = {**GOOD_FILES, "signatures/a.sshsig": b"signature"}
    assert_refused(make(files).pack(), InvalidArchive, "signatures/a.sshsig", tmp_path)


@pytest.mark.parametrize("path", sorted(GOOD_FILES))
def test_changed_file_is_refused(path: str, tmp_path: Path) -> None:
    parts = make()
    data = parts.at(path).data
    parts.at(path).data = data[:-1] + bytes([data[-1] ^ 1]) if data else b"added"
    assert_refused(parts.pack(), PackageTampered, path, tmp_path)


@pytest.mark.parametrize("path", sorted(GOOD_FILES))
def test_removed_file_is_refused(path: str, tmp_path: Path) -> None:
    parts = make()
    del parts.entries[parts.index(path)]
    assert_refused(parts.pack(), PackageTampered, path, tmp_path)


def test_changed_contents_is_refused(tmp_path: Path) -> None:
    parts = make()
    entry = parts.at("CONTENTS")
    entry.data = entry.data.replace(_TASKS_LINE, contents_line(TASKS, b"evil"))
    parts.at(TASKS).data = b"evil"
    assert_refused(parts.pack(), PackageTampered, "CONTENTS was changed", tmp_path)


def test_changed_manifest_is_refused(tmp_path: Path) -> None:
    parts = make()
    entry = parts.at("manifest.json")
    entry.data = entry.data.replace(b'"1.0"', b'"1.1"')
    assert_refused(parts.pack(), PackageTampered, "manifest was changed", tmp_path)


def test_wrong_fingerprint_is_refused(tmp_path: Path) -> None:
    parts = make()
    entry = parts.at("manifest.json")
    manifest = json.loads(entry.data)
    manifest["package"]["fingerprint"] = "0" * 64
    entry.data = json.dumps(manifest).encode()
    assert_refused(parts.pack(), PackageTampered, "fingerprint", tmp_path)


def test_field_that_nobody_knows_counts_in_the_fingerprint(tmp_path: Path) -> None:
    parts = make(manifest=lambda unsealed: unsealed.update(later="1"))
    assert read_bytes(parts.pack(), tmp_path).document["later"] == "1"
    entry = parts.at("manifest.json")
    entry.data = entry.data.replace(b'"later": "1"', b'"later": "2"')
    (tmp_path / "sample.cloacina").unlink()
    assert_refused(parts.pack(), PackageTampered, "fingerprint", tmp_path)


def test_manifest_of_another_package_is_refused(tmp_path: Path) -> None:
    parts = make()
    parts.entries[0] = make({**GOOD_FILES, TASKS: b"other"}).entries[0]
    assert_refused(parts.pack(), PackageTampered, "CONTENTS was changed", tmp_path)


def test_manifest_without_hash_of_contents_is_refused(tmp_path: Path) -> None:
    parts = make(manifest=lambda unsealed: unsealed["package"].pop("contents_sha256"))
    assert_refused(parts.pack(), InvalidArchive, "contents_sha256", tmp_path)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(b"", InvalidManifest, id="empty"),
        pytest.param(b"not json", InvalidManifest, id="no-json"),
        pytest.param(b"\xff\xfe{}", InvalidManifest, id="utf-16"),
        pytest.param(b"[" * 100_000, InvalidManifest, id="deep"),
        pytest.param(b'{"a":' * 50_000 + b"1" + b"}" * 50_000, InvalidManifest, id="deep-objects"),
        pytest.param(b'{"format_version": "2", "format_version": "2"}', InvalidManifest, id="key-twice"),
        pytest.param(b'{"format_version": "2", "x": NaN}', InvalidManifest, id="not-a-number"),
        pytest.param(b'{"format_version": "2", "x": ' + b"9" * 10_000 + b"}", InvalidManifest, id="long-number"),
        pytest.param(b'{"format_version": "2", "x": "\\ud800"}', InvalidManifest, id="surrogate"),
        pytest.param(b'{"format_version": "2"}', InvalidManifest, id="no-fields"),
        pytest.param(b'{"format_version": "3"}', UnsupportedManifest, id="newer"),
        pytest.param(b'{"name": "something else"}', UnsupportedManifest, id="foreign"),
    ],
)
def test_bad_manifest_is_refused(data: bytes, kind: type[ArchiveError], tmp_path: Path) -> None:
    parts = make()
    parts.entries[0].data = data
    assert_refused(parts.pack(), kind, "manifest", tmp_path)


@pytest.mark.parametrize(("path", "limit"), [("manifest.json", 4), ("CONTENTS", 32)])
def test_frame_that_is_too_large_for_memory_is_refused(path: str, limit: int, tmp_path: Path) -> None:
    parts = make()
    entry = parts.at(path)
    entry.fields["size"] = b"%011o\0" % (limit * 1024 * 1024 + 1)
    assert_refused(parts.pack(), ArchiveLimitExceeded, f"{limit * 1024 * 1024:,}", tmp_path)


def test_text_that_is_too_large_for_memory_is_refused(tmp_path: Path) -> None:
    line = contents_line("pylock.toml", GOOD_FILES["pylock.toml"])
    size = f"  {len(GOOD_FILES['pylock.toml'])}  ".encode()
    larger = line.replace(size, b"  33554433  ")
    parts = make(contents=lambda raw: raw.replace(line, larger))
    assert_refused(parts.pack(), ArchiveLimitExceeded, "33,554,432", tmp_path)


@pytest.mark.parametrize("missing", TEXTS)
def test_python_package_without_a_text_is_refused(missing: str, tmp_path: Path) -> None:
    files = {path: data for path, data in GOOD_FILES.items() if path != missing}
    assert_refused(make(files).pack(), InvalidArchive, missing, tmp_path)


def test_copies_for_all_targets_are_refused(tmp_path: Path) -> None:
    same = {f"vendor/{target}/numpy/same.py": b"same" for target in (LINUX, MACOS)}
    assert_refused(make({**GOOD_FILES, **same}).pack(), InvalidArchive, "vendor/any", tmp_path)
    (tmp_path / "bad.cloacina").unlink()
    modes = {f"vendor/{LINUX}/numpy/same.py": 0o755}
    read_bytes(make({**GOOD_FILES, **same}, modes=modes).pack(), tmp_path)


def test_shared_files_of_a_single_target_are_refused(tmp_path: Path) -> None:
    files = {path: data for path, data in GOOD_FILES.items() if MACOS not in path}
    assert_refused(make(files, targets=(LINUX,)).pack(), InvalidArchive, "one target", tmp_path)


def _as_rust(manifest: dict[str, Any]) -> None:
    manifest["language"] = "rust"
    del manifest["python"], manifest["package"]["builds"]
    manifest["rust"] = {"library_path": "workflow/libreport.so"}
    manifest["tasks"][0]["function"] = "fetch"


def test_rust_package_is_read_without_the_texts_of_python(tmp_path: Path) -> None:
    package = read_bytes(make({"workflow/libreport.so": b"\x7fELF"}, manifest=_as_rust).pack(), tmp_path)
    assert package.manifest.language == "rust"
    assert [entry.path for entry in package.contents] == ["workflow/libreport.so"]
    assert package.texts == {}


def test_rust_package_is_held_to_the_same_paths(tmp_path: Path) -> None:
    parts = make({"../libreport.so": b"\x7fELF"}, manifest=_as_rust)
    assert_refused(parts.pack(), UnsafeArchive, "'..'", tmp_path)


def test_manifest_in_another_spelling_is_the_same_package(tmp_path: Path) -> None:
    parts = make()
    before = read_bytes(parts.pack(), tmp_path)
    parts.entries[0] = Entry(b"manifest.json", json.dumps(json.loads(parts.entries[0].data), indent=7).encode())
    assert read_bytes(pack(parts.tar()), tmp_path).fingerprint == before.fingerprint


def test_good_sample_is_what_the_reader_says(tmp_path: Path) -> None:
    parts = make()
    at = parts.index("vendor/any/numpy/__init__.py")
    parts.entries.insert(at, Entry(b"signatures/0123456789abcdef.sshsig", b"signature"))
    data = parts.pack()
    package = read_bytes(data, tmp_path)
    assert [entry.path for entry in package.contents] == sorted(GOOD_FILES)
    assert {entry.path: entry.mode for entry in package.contents if entry.mode != 0o644} == {"workflow/run.sh": 0o755}
    assert [(member.path, member.source) for member in package.signatures] == [
        ("signatures/0123456789abcdef.sshsig", b"signature")
    ]
    assert package.texts == {name: GOOD_FILES[name] for name in TEXTS}
    assert [entry.path.encode() for entry in package.members] == [entry.path for entry in parts.entries]
    assert (package.packed_size, package.unpacked_size) == (len(data), len(parts.tar()))
    assert seal(package.document) == parts.entries[0].data
    assert package.fingerprint == json.loads(parts.entries[0].data)["package"]["fingerprint"]
    assert (package.compression, package.path) == ("zstd", tmp_path / "sample.cloacina")
