"""`cloacina inspect` shows a package on any terminal, and nothing in the package can command the terminal."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from cloacina.cli import main
from cloacina.cli.exit_codes import ExitCode
from cloacina.packaging.archive import Member, describe_member, render_contents, write_archive
from cloacina.packaging.attestations.provenance import render_provenance
from cloacina.packaging.attestations.sbom import WheelUse, render_sbom
from cloacina.packaging.manifest.fingerprint import with_fingerprint
from cloacina.packaging.manifest.models import (
    Build,
    Manifest,
    PackageInfo,
    PythonRuntime,
    TaskEntry,
    render_manifest,
)
from cloacina.packaging.signing import load_private_key, sign_package

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LINUX, MAC = "linux-x86_64-cp311", "macos-arm64-cp311"
WHEELS = (
    WheelUse("attrs", "26.1.0", "attrs-26.1.0-py3-none-any.whl", "0a" * 32, (LINUX, MAC), "MIT"),
    WheelUse("numpy", "2.4.1", "numpy-2.4.1-cp311-cp311-macosx_13_0_arm64.whl", "2c" * 32, (MAC,), "BSD-3-Clause"),
    WheelUse("numpy", "2.4.1", "numpy-2.4.1-cp311-cp311-manylinux_2_27_x86_64.whl", "1b" * 32, (LINUX,)),
    WheelUse("uvloop", "0.30.0", "uvloop-0.30.0-cp311-cp311-manylinux_2_28_x86_64.whl", "3d" * 32, (LINUX,)),
)
CREATED = "2026-11-21T09:30:00Z"
VARIABLES = ("CLOACINA_ALLOWED_SIGNERS", "CLOACINA_SIGNATURE_POLICY", "NO_COLOR", "FORCE_COLOR", "COLUMNS")


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def task(name: str, *dependencies: str, **fields: Any) -> TaskEntry:
    return TaskEntry(id=name, function=f"report.tasks:{name}", dependencies=dependencies, **fields)


DIAMOND = (
    task("fetch", description="Load the readings of all stations", retries=3, timeout_seconds=30),
    task("validate", "fetch", description="Drop what cannot be true"),
    task("count", "fetch", retries=1),
    task("report", "validate", "count", timeout_seconds=0.5),
)


def make_package(
    folder: Path,
    tasks: Sequence[TaskEntry] = DIAMOND,
    *,
    description: str = "Fetches, validates and reports.",
    wheels: Sequence[WheelUse] = WHEELS,
    created_at: str = CREATED,
) -> Path:
    files = [
        Member("workflow/report/__init__.py", b""),
        Member("workflow/report/tasks.py", b"#" * 1_000),
        Member("vendor/any/attrs/__init__.py", b"a" * 20_000),
        Member(f"vendor/{LINUX}/numpy/core.so", b"l" * 3_000, 0o755),
        Member(f"vendor/{MAC}/numpy/core.so", b"m" * 2_000, 0o755),
        Member("requirements.lock", b""),
        Member("pylock.toml", b""),
        Member("sbom.cdx.json", render_sbom("report", "1.4.0", wheels, created_at=created_at)),
    ]
    payload = render_contents(describe_member(file) for file in files)
    statement = render_provenance(
        "report",
        "1.4.0",
        payload_sha256=hashlib.sha256(payload).hexdigest(),
        wheels=wheels,
        parameters={},
        created_at=created_at,
    )
    files.append(Member("provenance.json", statement))
    contents = render_contents(describe_member(file) for file in files)
    manifest = with_fingerprint(
        Manifest(
            package=PackageInfo(
                name="report",
                version="1.4.0",
                description=description,
                targets=("linux-x86_64", "macos-arm64"),
                contents_sha256=hashlib.sha256(contents).hexdigest(),
                builds=(
                    Build(platform="linux-x86_64", abi="cp311", floor="glibc 2.28"),
                    Build(platform="macos-arm64", abi="cp311", floor="macOS 13.0"),
                ),
            ),
            language="python",
            python=PythonRuntime(requires_python=">=3.11", entry_module="report.tasks"),
            tasks=tuple(tasks),
            created_at=created_at,
        )
    )
    path = folder / "report-1.4.0.cloacina"
    frame = [Member("manifest.json", render_manifest(manifest)), Member("CONTENTS", contents)]
    write_archive(path, [*frame, *files], mtime=int(datetime.fromisoformat(created_at).timestamp()))
    return path


def inspect(*arguments: object) -> int:
    return main(["inspect", *map(str, arguments)])


def test_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(make_package(tmp_path)) == ExitCode.OK
    streams = capsys.readouterr()
    assert streams.err == ""
    lines = streams.out.splitlines()
    fingerprint = lines[3].split()[1]
    packed = lines[6]
    assert len(fingerprint) == 64
    assert packed.startswith("  file         ")
    assert lines == [
        "report 1.4.0",
        "  Fetches, validates and reports.",
        "",
        f"  fingerprint  {fingerprint}",
        "  built        2026-11-21 09:30:00 UTC, as the package says of itself",
        "  runs         Python >=3.11, entry module report.tasks",
        packed,
        "  signature    none: anybody may have built this package",
        "",
        "Tasks (4)",
        "  ●   fetch     3 retries, 30 s  Load the readings of all stations",
        "  ├─● validate                   Drop what cannot be true",
        "  ● │ count     1 retry",
        "  ●─╯ report    0.5 s",
        "",
        "Targets (2)",
        "  linux-x86_64-cp311  glibc 2.28     3.0 kB of its own, 24.0 kB installed",
        "  macos-arm64-cp311   macOS 13.0     2.0 kB of its own, 23.0 kB installed",
        "  20.0 kB shared by all, 1.0 kB of source",
        "",
        "Dependencies (3)",
        "  attrs   26.1.0  MIT",
        "  numpy   2.4.1   BSD-3-Clause",
        "  uvloop  0.30.0  licence not stated; only on linux-x86_64-cp311",
    ]


@pytest.mark.parametrize("columns", ["40", "60", "80", "200"])
@pytest.mark.parametrize("view", [(), ("--tasks",)])
def test_tasks_and_dependencies_fit_the_terminal(
    columns: str,
    view: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    tasks = [task("fetch", description="Lädt die Messwerte aller Stationen. " * 10), task("größe", "fetch")]
    inspect(make_package(tmp_path, tasks, description="説明" * 100), *view)
    out = capsys.readouterr().out
    shown = out.partition("Tasks (2)")[2] or out
    lines = shown.partition("Targets")[0].splitlines()
    assert any("fetch" in line for line in lines)
    assert max(map(len, lines)) <= min(int(columns), 120)


def test_terminal_without_unicode_gets_ascii(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    import subprocess
    import sys

    command = [sys.executable, "-m", "cloacina", "inspect", str(make_package(tmp_path))]
    environment = {"PYTHONIOENCODING": "ascii", "COLUMNS": "80"}
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    assert b"  *   fetch" in done.stdout
    assert b"  +-* validate" in done.stdout
    assert done.stdout.isascii()
    assert b"\\u" not in done.stdout


def test_graph_that_is_too_wide_names_the_dependencies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = [task(f"part{number}") for number in range(30)]
    inspect(make_package(tmp_path, [*many, task("join", *(each.id for each in many))]), "--tasks")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 31
    (join,) = [line for line in lines if line.startswith("  join")]
    assert "after part0, part1, part2," in join


def test_many_tasks_and_dependencies_are_cut_in_the_summary_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = [task(f"t{number}", *([f"t{number - 1}"] if number else [])) for number in range(100)]
    wheels = [WheelUse(f"d{number:02}", "1", f"d{number}.whl", "0a" * 32, (LINUX, MAC)) for number in range(50)]
    package = make_package(tmp_path, chain, wheels=wheels)
    inspect(package)
    summary = capsys.readouterr().out
    assert "and 60 more lines; --tasks shows all" in summary
    assert "and 30 more; --dependencies shows all" in summary
    inspect(package, "--tasks")
    assert len(capsys.readouterr().out.splitlines()) == 100
    inspect(package, "--dependencies")
    assert "d49 1" in capsys.readouterr().out


def test_tasks_view_names_the_functions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inspect(make_package(tmp_path), "--tasks")
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("  ├─● validate  report.tasks:validate  ")
    assert line.endswith("Drop what cannot be true")


def test_dependencies_view_names_the_wheels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inspect(make_package(tmp_path), "--dependencies")
    assert capsys.readouterr().out.splitlines() == [
        "attrs 26.1.0  MIT",
        "  attrs-26.1.0-py3-none-any.whl",
        "    on every target",
        "numpy 2.4.1  BSD-3-Clause",
        "  numpy-2.4.1-cp311-cp311-macosx_13_0_arm64.whl",
        f"    only on {MAC}",
        "  numpy-2.4.1-cp311-cp311-manylinux_2_27_x86_64.whl",
        f"    only on {LINUX}",
        "uvloop 0.30.0  licence not stated",
        "  uvloop-0.30.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        f"    only on {LINUX}",
    ]


def test_package_without_dependencies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = make_package(tmp_path, wheels=())
    inspect(package)
    assert "Dependencies" not in capsys.readouterr().out
    inspect(package, "--dependencies")
    assert capsys.readouterr().out == "The package has no dependencies.\n"


def test_files_view_is_what_contents_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inspect(make_package(tmp_path), "--files")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9
    assert f"{hashlib.sha256(b'').hexdigest()}  0  0644  pylock.toml" in lines
    assert lines[-1].endswith("  1000  0644  workflow/report/tasks.py")


def test_fingerprint_is_written_as_it_is_signed(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    package = make_package(tmp_path)
    assert inspect(package, "--fingerprint") == ExitCode.OK
    written = capfdbinary.readouterr().out
    assert len(written) == 65
    assert written.endswith(b"\n")
    inspect(package, "--json")
    assert json.loads(capfdbinary.readouterr().out)["fingerprint"] == written.decode().strip()


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = make_package(tmp_path)
    inspect(package, "--json")
    streams = capsys.readouterr()
    document = json.loads(streams.out)
    assert streams.err == ""
    assert document["file"] == str(package)
    assert [(each["id"], each["level"]) for each in document["tasks"]] == [
        ("fetch", 0),
        ("validate", 1),
        ("count", 1),
        ("report", 2),
    ]
    assert [each["installed_size"] for each in document["targets"]] == [24_000, 23_000]
    assert document["signatures"] == []
    assert document["packed_size"] == package.stat().st_size


def test_package_of_no_recorded_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inspect(make_package(tmp_path, created_at="1980-01-01T00:00:00Z"))
    assert "at a time that is not recorded: SOURCE_DATE_EPOCH was not set" in capsys.readouterr().out


def test_nothing_in_a_package_commands_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07 [red]\u202ereversed\u2066\nsecond line\x9b31m"
    wheels = [WheelUse(f"bad{evil}", f"1{evil}", f"bad{evil}.whl", "0a" * 32, (f"t{evil}",), None)]
    package = make_package(tmp_path, [task("fetch", description=evil)], description=evil, wheels=wheels)
    for view in ((), ("--tasks",), ("--dependencies",)):
        assert inspect(package, *view) == ExitCode.OK
        out = capsys.readouterr().out
        assert "[red]" in out
        assert not {character for character in out if not character.isprintable()} - {"\n"}


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a signed package, and a file of allowed signers that names its key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    folder = tmp_path_factory.mktemp("signed")
    key = Ed25519PrivateKey.generate()
    private = folder / "key"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    private.chmod(0o600)
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    allowed = folder / "allowed_signers"
    allowed.write_text(f'ops@example.org namespaces="cloacina-package" {public}\n')
    package = make_package(folder)
    sign_package(package, load_private_key(private))
    return package, allowed


def test_signature_of_an_unknown_key(signed: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(signed[0]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[7] == "  signature    valid, but its key is not trusted"
    assert lines[8].startswith("               ssh-ed25519 SHA256:")


def test_signature_of_an_allowed_signer(signed: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    package, allowed = signed
    assert inspect(package, "--allowed-signers", allowed) == ExitCode.OK
    assert "  signature    trusted: ops@example.org\n" in capsys.readouterr().out


def test_signature_is_not_looked_at_if_the_policy_is_off(
    signed: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLOACINA_SIGNATURE_POLICY", "off")
    assert inspect(signed[0]) == ExitCode.OK
    assert "  signature    not checked\n" in capsys.readouterr().out


def test_requiring_signatures_does_not_forbid_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLOACINA_SIGNATURE_POLICY", "require")
    assert inspect(make_package(tmp_path)) == ExitCode.OK
    assert "none: anybody may have built this package" in capsys.readouterr().out


@pytest.mark.parametrize("view", [(), ("--json",)])
def test_invalid_signature_is_shown_and_refused(
    view: tuple[str, ...], signed: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from cloacina.packaging.archive import read_package, rewrite_archive

    other = tmp_path / "other.cloacina"
    rewrite_archive(
        read_package(make_package(tmp_path, [task("other")])), other, add=read_package(signed[0]).signatures
    )
    assert inspect(other, *view) == ExitCode.SIGNATURE
    streams = capsys.readouterr()
    assert "[CLO-2503]" in streams.err
    assert ("NOT VALID" in streams.out) == (not view)
    if view:
        assert json.loads(streams.out)["signatures"][0]["status"] == "invalid"


@pytest.mark.parametrize("view", [(), ("--json",), ("--tasks",), ("--fingerprint",), ("--files",)])
def test_file_that_is_no_package_is_refused_before_anything_is_shown(
    view: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = make_package(tmp_path)
    package.write_bytes(package.read_bytes()[:-100])
    assert inspect(package, *view) == ExitCode.PACKAGE
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("error: ")
    assert inspect(tmp_path / "missing.cloacina", *view) == ExitCode.PACKAGE


def test_two_views_at_once_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inspect(tmp_path / "any.cloacina", "--json", "--tasks") == ExitCode.USAGE
    assert "--tasks and --json were given together" in capsys.readouterr().err


def test_colours_are_for_terminals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = make_package(tmp_path)
    monkeypatch.setenv("FORCE_COLOR", "1")
    inspect(package)
    assert "\x1b[1mTasks (4)\x1b[0m" in capsys.readouterr().out
