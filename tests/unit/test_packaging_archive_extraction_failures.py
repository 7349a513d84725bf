"""Extractions that fail: whatever the reason, nothing is left, and nothing outside is touched."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from archive_samples import (
    GOOD_FILES,
    LINUX,
    SIGNATURE,
    files_in,
    largest_file,
    make,
    make_signed,
    pack,
    umask,
)
from cloacina.errors import (
    ArchiveError,
    ExtractionFailed,
    InvalidArchive,
    PackageTampered,
)
from cloacina.packaging.archive import extract_package, extraction, private_folder
from cloacina.packaging.archive.private_folder import PrivateFolder
from cloacina.packaging.archive.reading import read_open_package
from cloacina.packaging.targets import parse_target

if TYPE_CHECKING:
    pass

ON_LINUX = parse_target(LINUX)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "sample.cloacina"
    path.write_bytes(make_signed().pack())
    return path


def names_beside(package: Path) -> set[str]:
    return {path.name for path in package.parent.iterdir()}


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
    parts = make_signed()
    parts.at(path).data = data
    return parts.pack()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        pytest.param(_pack_with("workflow/run.sh", b"#!/bin/zh\n"), PackageTampered, id="another-body"),
        pytest.param(_pack_with("workflow/run.sh", b"#!/bin/bash\n"), PackageTampered, id="another-size"),
        pytest.param(_pack_with(SIGNATURE, b"forged"), PackageTampered, id="another-signature"),
        pytest.param(make({**GOOD_FILES, "workflow/x": b""}).pack(), PackageTampered, id="another-package"),
        pytest.param(make_signed().pack()[:300], InvalidArchive, id="cut"),
        pytest.param(make_signed().pack() + b"more", InvalidArchive, id="more"),
        pytest.param(pack(make_signed().tar() + bytes(512)), InvalidArchive, id="more-inside"),
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
