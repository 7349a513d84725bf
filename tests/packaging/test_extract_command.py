"""`cloacina extract`: what it writes, what it says, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archive_samples import GOOD_FILES, LINUX, MACOS, make
from cloacina.cli import main
from cloacina.cli.exit_codes import ExitCode
from cloacina.packaging.archive import extraction, read_package
from cloacina.packaging.targets import Target


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.cloacina").write_bytes(make().pack())
    return tmp_path


def written(folder: Path) -> tuple[int, int]:
    """Return how many files are in a folder, and how many bytes they have."""
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    return len(sizes), sum(sizes)


def test_extract_writes_the_files_for_one_target(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", "report.cloacina", "out", "--target", LINUX]) == ExitCode.OK
    shown, problems = capsys.readouterr()
    assert shown.splitlines() == [
        f"out: report 1.0 for {LINUX}",
        f"  fingerprint  {read_package(folder / 'report.cloacina').fingerprint}",
        "  written      {} files, {:,} bytes".format(*written(folder / "out")),
    ]
    assert problems == ""
    assert (folder / "out/site/numpy/core.so").read_bytes() == GOOD_FILES[f"vendor/{LINUX}/numpy/core.so"]
    assert not (folder / "out/vendor").exists()


def test_extract_is_for_this_machine_by_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "host_target", lambda: Target("macos-arm64", "3.11"))
    assert main(["extract", "report.cloacina", "out"]) == ExitCode.OK
    assert f"for {MACOS}" in capsys.readouterr().out
    monkeypatch.setattr(extraction, "host_target", lambda: Target("windows-x86_64", "3.11"))
    assert main(["extract", "report.cloacina", "other"]) == ExitCode.PACKAGE
    assert not Path("other").exists()


def test_extract_raw_writes_the_files_for_all_targets(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", "report.cloacina", "out", "--raw"]) == ExitCode.OK
    assert "out: report 1.0 for all targets" in capsys.readouterr().out
    files = {file.relative_to(folder / "out").as_posix() for file in (folder / "out").rglob("*") if file.is_file()}
    assert files == {"manifest.json", "CONTENTS", *GOOD_FILES}


def test_extract_json_is_one_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", "report.cloacina", "out", "--target", MACOS, "--json"]) == ExitCode.OK
    shown, problems = capsys.readouterr()
    assert json.loads(shown) == {
        "file": "report.cloacina",
        "package": {"name": "report", "version": "1.0"},
        "fingerprint": read_package(folder / "report.cloacina").fingerprint,
        "folder": "out",
        "target": MACOS,
        "layout": "merged",
        "files": written(folder / "out")[0],
        "bytes": written(folder / "out")[1],
    }
    assert problems == ""
    assert main(["extract", "report.cloacina", "raw", "--raw", "--json"]) == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert (document["target"], document["layout"]) == (None, "raw")


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["missing.cloacina", "out"], ExitCode.PACKAGE, "CLO-2401"),
        (["text.cloacina", "out"], ExitCode.PACKAGE, "CLO-2401"),
        (["cut.cloacina", "out"], ExitCode.PACKAGE, "CLO-2402"),
        (["evil.cloacina", "out"], ExitCode.PACKAGE, "CLO-2404"),
        (["changed.cloacina", "out"], ExitCode.PACKAGE, "CLO-2405"),
        (["report.cloacina", "out", "--target", "linux-arm64-cp311"], ExitCode.PACKAGE, "CLO-2408"),
        (["report.cloacina", ".", "--raw"], ExitCode.PACKAGE, "CLO-2409"),
        (["report.cloacina", "no/such/folder", "--raw"], ExitCode.PACKAGE, "CLO-2409"),
        (["report.cloacina", "out", "--target", "plan9"], ExitCode.USAGE, "plan9"),
        (["report.cloacina", "out", "--target", LINUX, "--raw"], ExitCode.USAGE, "--raw"),
        (["report.cloacina"], ExitCode.USAGE, "FOLDER"),
    ],
)
def test_extract_says_in_one_line_why_not(
    arguments: list[str], code: ExitCode, word: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "text.cloacina").write_text("just text")
    (folder / "cut.cloacina").write_bytes(make().pack()[:100])
    (folder / "evil.cloacina").write_bytes(make({**GOOD_FILES, "../evil": b""}).pack())
    changed = make()
    changed.at("workflow/run.sh").data = b"#!/bin/zh\n"
    (folder / "changed.cloacina").write_bytes(changed.pack())
    before = sorted(folder.rglob("*"))
    assert main(["extract", *arguments]) == code
    shown, problems = capsys.readouterr()
    assert shown == ""
    assert problems.startswith("error: ")
    assert word in problems
    assert len(problems.splitlines()) == 1
    assert sorted(folder.rglob("*")) == before
