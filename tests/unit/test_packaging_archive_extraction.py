"""Packages as they are extracted: what goes where, and that a destination is there whole or not at all."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from archive_samples import GOOD_FILES, LINUX, MACOS, TEXTS, Entry, Parts, make, pack
from cloacina.errors import (
    ArchiveError,
    ExtractionFailed,
    InvalidArchive,
    InvalidOption,
    PackageTampered,
    TargetNotInPackage,
)
from cloacina.packaging.archive import extract_package, extraction, private_folder
from cloacina.packaging.archive.private_folder import PrivateFolder
from cloacina.packaging.archive.reading import read_open_package
from cloacina.packaging.targets import Target, parse_target

if TYPE_CHECKING:
    from collections.abc import Generator

ON_LINUX = parse_target(LINUX)
SIGNATURE = "signatures/0123456789abcdef.sshsig"
FRAME = {"manifest.json", "CONTENTS", *TEXTS, SIGNATURE}
MERGED = {
    "site/numpy/__init__.py": "vendor/any/numpy/__init__.py",
    "site/numpy/core.so": f"vendor/{LINUX}/numpy/core.so",
    "workflow/report/__init__.py": "workflow/report/__init__.py",
    "workflow/report/tasks.py": "workflow/report/tasks.py",
    "workflow/run.sh": "workflow/run.sh",
}


def sample() -> Parts:
    parts = make()
    parts.entries.insert(parts.index("vendor/any/numpy/__init__.py"), Entry(SIGNATURE.encode(), b"signed"))
    return parts


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "sample.cloacina"
    path.write_bytes(sample().pack())
    return path


def files_in(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def modes_in(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_mode & 0o7777 for path in [folder, *folder.rglob("*")]}


def names_beside(package: Path) -> set[str]:
    return {path.name for path in package.parent.iterdir()}


@contextmanager
def umask(mask: int) -> Generator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


# ── What goes where ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_merged_layout_has_one_site_for_the_target(package: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = extract_package(package, out, target=ON_LINUX)
    found = files_in(out)
    assert found.keys() == FRAME | MERGED.keys()
    assert {path: found[path] for path in MERGED} == {path: GOOD_FILES[source] for path, source in MERGED.items()}
    assert (done.folder, done.target, done.layout) == (out, ON_LINUX, "merged")
    assert (done.files, done.size) == (len(found), sum(map(len, found.values())))
    assert done.package.manifest.package.name == "report"
    assert names_beside(package) == {"sample.cloacina", "out"}


def test_raw_layout_is_that_of_the_archive(package: Path, tmp_path: Path) -> None:
    done = extract_package(package, tmp_path / "out", layout="raw")
    assert files_in(tmp_path / "out") == {entry.path.decode(): entry.data for entry in sample().entries}
    assert (done.target, done.layout) == (None, "raw")


def test_this_machine_is_the_target_by_default(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "host_target", lambda: parse_target(MACOS))
    assert extract_package(package, tmp_path / "out").target == parse_target(MACOS)
    core = tmp_path / "out" / "site" / "numpy" / "core.so"
    assert core.read_bytes() == GOOD_FILES[f"vendor/{MACOS}/numpy/core.so"]


@pytest.mark.parametrize("host", [None, Target("windows-x86_64", "3.11"), Target("linux-x86_64", "3.12")])
def test_target_that_is_not_in_the_package_is_refused(
    host: Target | None, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "host_target", lambda: host)
    with pytest.raises(TargetNotInPackage, match=LINUX):
        extract_package(package, tmp_path / "out")
    assert names_beside(package) == {"sample.cloacina"}


def test_package_of_another_language_is_extracted_for_its_platforms(tmp_path: Path) -> None:
    def as_rust(manifest: dict[str, Any]) -> None:
        manifest["language"] = "rust"
        del manifest["python"], manifest["package"]["builds"]
        manifest["rust"] = {"library_path": "workflow/lib.so"}
        manifest["tasks"][0]["function"] = "fetch"

    package = tmp_path / "rust.cloacina"
    package.write_bytes(make({"workflow/lib.so": b"\x7fELF"}, manifest=as_rust).pack())
    extract_package(package, tmp_path / "out", target=ON_LINUX)
    assert files_in(tmp_path / "out").keys() == {"manifest.json", "CONTENTS", "workflow/lib.so"}
    with pytest.raises(TargetNotInPackage, match="linux-x86_64"):
        extract_package(package, tmp_path / "other", target=Target("windows-x86_64", "3.11"))


@pytest.mark.parametrize("mask", [0, 0o022, 0o077])
def test_modes_are_those_of_the_package_whatever_the_umask_is(mask: int, package: Path, tmp_path: Path) -> None:
    with umask(mask):
        extract_package(package, tmp_path / "out", target=ON_LINUX)
    modes = modes_in(tmp_path / "out")
    assert {path for path, mode in modes.items() if mode == 0o755} == {
        ".", "signatures", "site", "site/numpy", "workflow", "workflow/report", "workflow/run.sh"
    }  # fmt: skip
    assert set(modes.values()) == {0o644, 0o755}


def test_read_only_takes_the_right_to_write_from_all(package: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    extract_package(package, out, target=ON_LINUX, read_only=True)
    assert set(modes_in(out).values()) == {0o444, 0o555}
    assert (out / "workflow" / "run.sh").stat().st_mode & 0o777 == 0o555
    for folder in (out, *(path for path in out.rglob("*") if path.is_dir())):
        folder.chmod(0o755)  # so that pytest can remove it


def test_unknown_layout_and_target_of_raw_are_refused(package: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="'flat'"):
        extract_package(package, tmp_path / "out", layout="flat")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidOption, match="all targets"):
        extract_package(package, tmp_path / "out", layout="raw", target=ON_LINUX)


# ── Where it goes ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_empty_folder_is_filled(package: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    extract_package(package, tmp_path / "out", target=ON_LINUX)
    assert (tmp_path / "out" / "CONTENTS").is_file()


def test_destination_that_is_taken_is_refused(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "link").symlink_to(empty)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    monkeypatch.chdir(empty)
    before = files_in(tmp_path)
    for destination, word in [
        (taken, "not empty"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "link", "is a link"),
        (tmp_path / "dangling", "is a link"),
        (Path(), "current folder"),
        (tmp_path / "missing" / "out", "no folder"),
        (tmp_path / "file" / "out", "no folder"),
        (tmp_path / "a\0b", "cannot be written"),
        (tmp_path / ("n" * 300), "cannot be written"),
    ]:
        with pytest.raises(ExtractionFailed, match=word):
            extract_package(package, destination, target=ON_LINUX)
    assert files_in(tmp_path) == before
    assert names_beside(package) == {"sample.cloacina", "taken", "file", "empty", "link", "dangling"}
    assert list(empty.iterdir()) == []


def test_destination_is_named_from_the_current_folder(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = extract_package(Path("sample.cloacina"), Path("out"), target=ON_LINUX)
    assert done.folder == tmp_path.resolve() / "out"
    assert done.folder.is_dir()


@pytest.mark.parametrize("is_merged", [True, False])
def test_folder_without_calls_relative_to_open_folders_works_by_paths(
    is_merged: bool, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"target": ON_LINUX} if is_merged else {"layout": "raw"}
    extract_package(package, tmp_path / "one", **options)
    monkeypatch.setattr(os, "supports_dir_fd", set())
    extract_package(package, tmp_path / "two", **options)
    assert files_in(tmp_path / "one") == files_in(tmp_path / "two")


# ── When it fails ────────────────────────────────────────────────────────────────────────────────────────────────────


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


def test_full_disk_leaves_nothing(tmp_path: Path) -> None:
    big = random.Random(2).randbytes(300_000)
    package = tmp_path / "sample.cloacina"
    package.write_bytes(make({**GOOD_FILES, "workflow/report/big": big}).pack())
    with largest_file(100_000), pytest.raises(ExtractionFailed, match="too large"):
        extract_package(package, tmp_path / "out", target=ON_LINUX)
    assert names_beside(package) == {"sample.cloacina"}


@pytest.mark.parametrize("failing", ["write", "mkdir", "rename", "fchmod"])
def test_failing_call_leaves_nothing(
    failing: str, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(ExtractionFailed, match="No space left"):
        patch.setattr(os, failing, fail)
        extract_package(package, tmp_path / "out", target=ON_LINUX)
    assert names_beside(package) == {"sample.cloacina"}


def test_failure_after_folders_are_read_only_leaves_nothing(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patch, pytest.raises(ExtractionFailed, match="Permission denied"):
        patch.setattr(PrivateFolder, "move_to", fail)
        extract_package(package, tmp_path / "out", target=ON_LINUX, read_only=True)
    assert names_beside(package) == {"sample.cloacina"}


def test_interruption_leaves_nothing(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = PrivateFolder.write

    def interrupt(self: PrivateFolder, path: str, pieces: Iterator[memoryview], mode: int) -> None:
        written(self, path, pieces, mode)
        if path == "CONTENTS":
            raise KeyboardInterrupt

    monkeypatch.setattr(PrivateFolder, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        extract_package(package, tmp_path / "out", target=ON_LINUX)
    assert names_beside(package) == {"sample.cloacina"}


def test_destination_that_is_taken_meanwhile_is_not_touched(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = PrivateFolder.move_to

    def take(self: PrivateFolder, place: Path, *, mode: int) -> None:
        place.mkdir()
        (place / "mine").write_text("mine")
        moved(self, place, mode=mode)

    monkeypatch.setattr(PrivateFolder, "move_to", take)
    with pytest.raises(ExtractionFailed, match="not empty"):
        extract_package(package, tmp_path / "out", target=ON_LINUX)
    assert files_in(tmp_path / "out") == {"mine": b"mine"}
    assert names_beside(package) == {"sample.cloacina", "out"}


def test_destination_that_becomes_a_link_is_not_followed(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    moved = PrivateFolder.move_to

    def link(self: PrivateFolder, place: Path, *, mode: int) -> None:
        place.symlink_to(victim)
        moved(self, place, mode=mode)

    monkeypatch.setattr(PrivateFolder, "move_to", link)
    with pytest.raises(ExtractionFailed):
        extract_package(package, tmp_path / "out", target=ON_LINUX)
    assert list(victim.iterdir()) == []
    assert names_beside(package) == {"sample.cloacina", "victim", "out"}


@pytest.mark.parametrize(
    ("link", "leads_to", "path"),
    [
        ("inside", "", "inside/evil"),
        ("first/inside", "", "first/inside/evil"),
        ("evil", "file", "evil"),
        ("evil", "new", "evil"),
        ("first/evil", "file", "first/evil"),
        ("second", "", "second/evil"),
    ],
)
def test_link_that_is_planted_while_writing_is_not_followed(
    link: str, leads_to: str, path: str, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("mine")
    with private_folder.private_folder_beside(tmp_path / "out") as folder:
        for made in ("second/a", "first/a"):
            folder.write(made, [b"a"], 0o644)
        if (folder.path / link).exists():
            (folder.path / link).rename(tmp_path / "moved")
        (folder.path / link).symlink_to(victim / leads_to)
        with pytest.raises(OSError, match=r"File exists|Not a directory|symbolic links"):
            folder.write(path, [b"evil"], 0o644)
    assert files_in(victim) == {"file": b"mine"}
    assert not (tmp_path / "out").exists()


def _pack_with(path: str, data: bytes) -> bytes:
    parts = sample()
    parts.at(path).data = data
    return parts.pack()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(_pack_with("workflow/run.sh", b"#!/bin/zh\n"), PackageTampered, id="another-body"),
        pytest.param(_pack_with("workflow/run.sh", b"#!/bin/bash\n"), PackageTampered, id="another-size"),
        pytest.param(_pack_with(SIGNATURE, b"forged"), PackageTampered, id="another-signature"),
        pytest.param(make({**GOOD_FILES, "workflow/x": b""}).pack(), PackageTampered, id="another-package"),
        pytest.param(sample().pack()[:300], InvalidArchive, id="cut"),
        pytest.param(sample().pack() + b"more", InvalidArchive, id="more"),
        pytest.param(pack(sample().tar() + bytes(512)), InvalidArchive, id="more-inside"),
        pytest.param(b"", InvalidArchive, id="emptied"),
    ],
)
@pytest.mark.parametrize("layout", ["merged", "raw"])
def test_package_that_changes_between_the_passes_is_refused(
    layout: str,
    data: bytes,
    kind: type[ArchiveError],
    package: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    def change_after(path: Path, opened: Any) -> Any:
        found = read_open_package(path, opened)
        path.write_bytes(data)  # the same file, which is open
        return found

    monkeypatch.setattr(extraction, "read_open_package", change_after)
    options: dict[str, Any] = {"layout": "raw"} if layout == "raw" else {"target": ON_LINUX}
    with pytest.raises(kind):
        extract_package(package, tmp_path / "out", **options)
    assert names_beside(package) == {"sample.cloacina"}


def test_package_that_is_replaced_between_the_passes_is_extracted_as_it_was_read(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def replace_after(path: Path, opened: Any) -> Any:
        found = read_open_package(path, opened)
        (tmp_path / "other").write_bytes(b"something else")
        (tmp_path / "other").replace(path)
        return found

    monkeypatch.setattr(extraction, "read_open_package", replace_after)
    extract_package(package, tmp_path / "out", target=ON_LINUX)
    assert (tmp_path / "out" / "workflow" / "run.sh").read_bytes() == GOOD_FILES["workflow/run.sh"]


def test_many_folders_need_few_open_files(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    files = {f"workflow/f{n:03}/{'d/' * 20}x": b"" for n in range(40)}
    package = tmp_path / "sample.cloacina"
    package.write_bytes(make({**GOOD_FILES, **files}).pack())
    in_use = len(os.listdir("/dev/fd")) if Path("/dev/fd").exists() else 64  # noqa: PTH208 - it holds links to folders
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 64, before[1]))
    try:
        extract_package(package, tmp_path / "out", target=ON_LINUX)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert files.keys() <= files_in(tmp_path / "out").keys()


def test_private_folder_is_private(tmp_path: Path) -> None:
    with umask(0), private_folder.private_folder_beside(tmp_path / "out") as folder:
        assert folder.path.stat().st_mode & 0o777 == 0o700
        assert folder.path.parent == tmp_path
    assert list(tmp_path.iterdir()) == []
