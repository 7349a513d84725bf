"""Packages as they are extracted: what goes where, and that a destination is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from archive_samples import GOOD_FILES, LINUX, MACOS, SIGNATURE, TEXTS, files_in, make, make_signed, umask
from cloacina.errors import (
    ExtractionFailed,
    InvalidOption,
    TargetNotInPackage,
)
from cloacina.packaging.archive import extract_package, extraction
from cloacina.packaging.targets import Target, parse_target

if TYPE_CHECKING:
    pass

ON_LINUX = parse_target(LINUX)
FRAME = {"manifest.json", "CONTENTS", *TEXTS, SIGNATURE}
MERGED = {
    "site/numpy/__init__.py": "vendor/any/numpy/__init__.py",
    "site/numpy/core.so": f"vendor/{LINUX}/numpy/core.so",
    "workflow/report/__init__.py": "workflow/report/__init__.py",
    "workflow/report/tasks.py": "workflow/report/tasks.py",
    "workflow/run.sh": "workflow/run.sh",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "sample.cloacina"
    path.write_bytes(make_signed().pack())
    return path


def modes_in(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_mode & 0o7777 for path in [folder, *folder.rglob("*")]}


def names_beside(package: Path) -> set[str]:
    return {path.name for path in package.parent.iterdir()}


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
    assert files_in(tmp_path / "out") == {entry.path.decode(): entry.data for entry in make_signed().entries}
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
