"""From a project to a package, with uv and an index on this machine: one build serves many tests."""

from __future__ import annotations

import csv
import errno
import json
import os
import subprocess
import threading
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from build_samples import HOST, OTHER_PLATFORM, state_of, write_project
from cloacina.errors import (
    CloacinaError,
    HashMismatch,
    ImportCheckFailed,
    InvalidOption,
    MissingWheels,
    NotReproducible,
    OutputNotWritable,
    StaleLock,
    UnpackableFile,
)
from cloacina.packaging import (
    BuildResult,
    Target,
    build_package,
    extract_package,
    plan_build,
    read_package,
)
from cloacina.packaging.building.progress import STEPS
from cloacina.packaging.building.reproducibility import compare

if TYPE_CHECKING:
    from collections.abc import Callable

    from package_index import PackageIndex

pytestmark = pytest.mark.usefixtures("nothing_left_behind")


def targets() -> tuple[str, str]:
    assert HOST is not None
    return f"{HOST.platform}-{HOST.abi}", f"{OTHER_PLATFORM}-{HOST.abi}"


def test_the_package_holds_the_source_and_what_the_targets_share_once(built: BuildResult) -> None:
    _, other = targets()
    info = "compiledtool-2.0.dist-info"
    paths = [entry.path for entry in read_package(built.path).contents]

    assert [path for path in paths if not path.startswith("vendor/")] == [
        "provenance.json",
        "pylock.toml",
        "requirements.lock",
        "sbom.cdx.json",
        "workflow/figures/__init__.py",
        "workflow/figures/flow.py",
        "workflow/figures/script.sh",
    ]
    assert {path for path in paths if path.startswith(f"vendor/{other}/")} == {
        f"vendor/{other}/compiledtool/_native.py",
        f"vendor/{other}/compiledtool/helper",
        f"vendor/{other}/{info}/RECORD",
        f"vendor/{other}/{info}/WHEEL",
    }
    assert {"vendor/any/compiledtool/__init__.py", "vendor/any/compiledtool/shared"} <= set(paths)
    assert "vendor/any/puretool/__init__.py" in paths
    assert not [path for path in paths if "/bin/" in path or path.endswith((".pth", "INSTALLER"))]


def test_permissions_are_those_of_the_project_and_of_the_wheels(built: BuildResult) -> None:
    executable = {entry.path for entry in read_package(built.path).contents if entry.mode == 0o755}

    assert executable == {
        "workflow/figures/script.sh",
        "vendor/any/compiledtool/shared",
        *(f"vendor/{target}/compiledtool/helper" for target in targets()),
    }


def test_the_manifest_says_what_is_in_the_package(built: BuildResult) -> None:
    assert HOST is not None
    package = read_package(built.path)
    manifest = package.manifest

    assert (manifest.package.name, manifest.package.version) == ("figures", "1.0")
    assert manifest.package.description == "Figures of a machine"
    assert manifest.package.fingerprint == built.fingerprint == package.fingerprint
    assert sorted(manifest.package.targets) == sorted([HOST.platform, OTHER_PLATFORM])
    assert [(task.id, task.function, task.dependencies, task.retries) for task in manifest.tasks] == [
        ("fetch", "figures.flow:fetch", (), 1),
        ("report", "figures.flow:report", ("fetch",), 0),
    ]
    assert manifest.created_at == "1980-01-01T00:00:00Z"


def test_lock_bill_and_provenance_name_the_same_wheels_and_no_host(
    built: BuildResult, figures_index: PackageIndex
) -> None:
    texts = read_package(built.path).texts
    digests = {wheel.sha256 for wheels in built.wheels.values() for wheel in wheels}
    bill = json.loads(texts["sbom.cdx.json"])

    assert len(digests) == 3
    for name, text in texts.items():
        assert b"127.0.0.1" not in text, name
        assert figures_index.url.encode() not in text, name
        assert all(digest.encode() in text for digest in digests), name
    assert sorted(component["name"] for component in bill["components"]) == ["compiledtool", "compiledtool", "puretool"]
    assert b'"MIT"' in texts["sbom.cdx.json"]


def test_each_target_is_extracted_as_it_was_installed(built: BuildResult, tmp_path: Path) -> None:
    for name in (HOST, Target(OTHER_PLATFORM, HOST.python)) if HOST else ():
        site = extract_package(built.path, tmp_path / name.name, target=name).folder / "site"
        assert name.platform in (site / "compiledtool" / "_native.py").read_text(encoding="utf-8")
        assert name.platform in (site / "compiledtool" / "helper").read_text(encoding="utf-8")
        for record in site.glob("*.dist-info/RECORD"):
            listed = {row[0] for row in csv.reader(StringIO(record.read_text(encoding="utf-8")))}
            top = {path.split("/")[0] for path in listed}
            assert listed == {
                path.relative_to(site).as_posix() for name in top for path in (site / name).rglob("*") if path.is_file()
            }


def test_the_import_check_is_done_on_this_machine_s_target_only(built: BuildResult) -> None:
    (check,) = built.import_checks

    assert (check.target, check.is_checked) == (targets()[0], True)


def test_what_was_left_out_is_told(built: BuildResult) -> None:
    assert (".env", "may hold secrets") in built.selection.excluded
    assert built.notes == ("puretool 1.2: puretool-init.pth is left out, since it would run at every start of Python",)


def test_a_copy_in_another_folder_gives_the_same_bytes(built: BuildResult, project: Path, tmp_path: Path) -> None:
    for file in project.rglob("*"):
        os.utime(file, (1, 1))

    again = build_package(project, tmp_path / "another" / "place", locked=True, offline=True)

    assert again.path.read_bytes() == built.path.read_bytes()
    assert again.lock_change is None


def test_the_time_of_the_source_is_that_of_the_package(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")

    package = read_package(build_package(project, locked=True).path)

    assert package.manifest.created_at == "2023-11-14T22:13:20Z"
    assert package.mtime == 1_700_000_000


@pytest.mark.parametrize("value", ["yesterday", "-1", "1.5", "99999999999", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_a_time_that_is_none_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)

    with pytest.raises(InvalidOption, match="SOURCE_DATE_EPOCH"):
        build_package(project)


def test_a_second_build_under_other_circumstances_is_compared(project: Path) -> None:
    assert build_package(project, locked=True, check_reproducible=True).is_reproduced is True


def test_a_difference_between_two_builds_is_named(built: BuildResult, project: Path) -> None:
    (project / "src" / "figures" / "__init__.py").write_text("BUILT_AT = 1\n", encoding="utf-8")
    (project / "src" / "figures" / "script.sh").chmod(0o644)
    (project / "src" / "figures" / "more.py").touch()
    other = build_package(project, locked=True)

    with pytest.raises(NotReproducible) as raised:
        compare(built.path, other.path)

    assert "  workflow/figures/__init__.py\n" in raised.value.message
    assert "  workflow/figures/more.py (only in the second build)\n" in raised.value.message
    assert "  workflow/figures/script.sh (its permissions)" in raised.value.message


def test_a_package_for_one_target_has_no_shared_folder(project: Path) -> None:
    result = build_package(project, platforms=[OTHER_PLATFORM], locked=True)

    assert [target.name for target in result.targets] == [targets()[1]]
    assert not [entry for entry in read_package(result.path).contents if entry.path.startswith("vendor/any/")]
    (check,) = result.import_checks
    assert check.reason is not None


def test_a_project_without_dependencies_needs_no_index(tmp_path: Path) -> None:
    flow = "from cloacina import task\n@task\ndef only(context): ...\n"
    project = write_project(tmp_path, "http://127.0.0.1:9/nothing", dependencies="", flow=flow)

    result = build_package(project, offline=True)

    assert not [entry for entry in read_package(result.path).contents if entry.path.startswith("vendor/")]
    assert result.import_checks[0].is_checked


def test_steps_are_told_in_their_order(project: Path) -> None:
    steps: list[str] = []

    class Recorded:
        def begin(self, step: str) -> None:
            steps.append(step)

        def detail(self, step: str, text: str) -> None:
            assert step == steps[-1]

        def advance(self, step: str, done: int, total: int) -> None:
            assert step == steps[-1]
            assert 0 <= done <= total

        def end(self, step: str, summary: str) -> None:
            assert step == steps[-1]
            assert summary

        def note(self, text: str) -> None: ...

    build_package(project, locked=True, progress=Recorded())

    assert steps == [step for step in STEPS if step not in {"sign", "reproduce"}]


def test_a_signature_of_the_fingerprint_is_in_the_package(project: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)

    result = build_package(project, locked=True, signing_key=key, check_reproducible=True)

    package = read_package(result.path)
    (signature,) = package.signatures
    assert isinstance(signature.source, bytes)
    (tmp_path / "signature").write_bytes(signature.source)
    public = (tmp_path / "key.pub").read_text(encoding="ascii")
    (tmp_path / "allowed").write_text(f"me {public}", encoding="ascii")
    verified = subprocess.run(
        ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", "me", "-n", "cloacina-package", "-s", "signature"],
        cwd=tmp_path,
        input=f"{result.fingerprint}\n".encode(),
        check=False,
    )
    assert verified.returncode == 0
    assert result.signed_by is not None


def test_two_builds_into_one_folder_do_not_disturb_each_other(project: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    results: list[BuildResult] = []
    threads = [
        threading.Thread(target=lambda: results.append(build_package(project, output, locked=True))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({result.fingerprint for result in results}) == 1
    assert [path.name for path in output.iterdir()] == ["figures-1.0.cloacina"]
    assert read_package(results[0].path).fingerprint == results[0].fingerprint


def test_a_plan_says_what_would_be_built_and_writes_nothing(project: Path) -> None:
    before = state_of(project)

    plan = plan_build(project)

    assert plan.output == project / "dist" / "figures-1.0.cloacina"
    assert [task.id for task in plan.discovery.tasks] == ["fetch", "report"]
    assert plan.wheels is not None
    assert {wheel.name for wheels in plan.wheels.values() for wheel in wheels} == {"compiledtool", "puretool"}
    assert plan.stale_lock is None
    assert state_of(project) == before


def test_a_plan_of_a_project_that_is_not_locked_says_so(project: Path) -> None:
    (project / "uv.lock").unlink()
    before = state_of(project)

    plan = plan_build(project)

    assert plan.wheels is None
    assert plan.stale_lock is not None
    assert state_of(project) == before
    with pytest.raises(StaleLock):
        plan_build(project, locked=True)


def add_dependency(name: str) -> Callable[[Path], None]:
    def change(project: Path) -> None:
        pyproject = project / "pyproject.toml"
        text = pyproject.read_text(encoding="utf-8")
        pyproject.write_text(text.replace("dependencies = [", f'dependencies = ["{name}", ', 1), encoding="utf-8")

    return change


def break_import(project: Path) -> None:
    with (project / "src" / "figures" / "flow.py").open("a", encoding="utf-8") as flow:
        flow.write("import not_there\n")


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (add_dependency("hostonly"), MissingWheels, "hostonly"),
        (add_dependency("sourceonly"), MissingWheels, "sourceonly"),
        (add_dependency("hides-json"), UnpackableFile, "hides-json 1.0 cannot be packed"),
        (break_import, ImportCheckFailed, "No module named 'not_there'"),
    ],
)
def test_a_build_that_fails_leaves_everything_as_it_was(
    project: Path, change: Callable[[Path], None], kind: type[CloacinaError], words: str
) -> None:
    (project / "dist").mkdir()
    (project / "dist" / "figures-1.0.cloacina").write_bytes(b"the one before")
    change(project)
    before = state_of(project)

    with pytest.raises(kind, match=words):
        build_package(project)

    assert state_of(project) == before


def test_a_wheel_that_is_another_one_than_the_locked_is_refused(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = project / "uv.lock"
    text = lock.read_text(encoding="utf-8")
    start = text.index("sha256:", text.index('[[package]]\nname = "puretool"')) + len("sha256:")
    lock.write_text(f"{text[:start]}{'0' * 64}{text[start + 64 :]}", encoding="utf-8")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "empty-cache"))

    with pytest.raises(HashMismatch):
        build_package(project, locked=True)


def test_a_file_that_changes_during_the_build_is_packed_as_it_was_parsed(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = project / "src" / "figures" / "flow.py"
    parsed = flow.read_bytes()

    class Meddler:
        def begin(self, step: str) -> None:
            if step == "discover":
                flow.write_text("nothing of it is left", encoding="utf-8")

        def detail(self, step: str, text: str) -> None: ...
        def advance(self, step: str, done: int, total: int) -> None: ...
        def end(self, step: str, summary: str) -> None: ...
        def note(self, text: str) -> None: ...

    result = build_package(project, locked=True, progress=Meddler())

    (entry,) = (entry for entry in read_package(result.path).contents if entry.path == "workflow/figures/flow.py")
    assert entry.size == len(parsed)


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(project: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "out" / "figures-1.0.cloacina").mkdir(parents=True)

    with pytest.raises(OutputNotWritable, match="is not a folder"):
        build_package(project, tmp_path / "file" / "below")
    with pytest.raises(OutputNotWritable, match="is a folder"):
        build_package(project, tmp_path / "out")


@pytest.mark.parametrize("place", ["take_snapshot", "write_archive"])
def test_a_full_disk_is_one_message_and_leaves_everything_as_it_was(
    project: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        full = OSError(errno.ENOSPC, "No space left on device", "/some/private/place")
        if place == "write_archive":
            raise OutputNotWritable("/some/private/place cannot be written") from full
        raise full

    monkeypatch.setattr(f"cloacina.packaging.building.making.{place}", fail)
    before = state_of(project)

    with pytest.raises(OutputNotWritable) as raised:
        build_package(project)

    assert "/some/private/place" not in raised.value.message
    assert "TMPDIR" in raised.value.message
    assert state_of(project) == before


def test_a_machine_without_a_temporary_folder_is_told_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(project / "not" / "there"))

    with pytest.raises(OutputNotWritable, match="No temporary folder can be made"):
        build_package(project)
