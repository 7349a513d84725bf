"""Locking with the real uv, against an index on this machine."""

from __future__ import annotations

import base64
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from packaging.pylock import Pylock

from cloacina.errors import (
    DependencyNotPackageable,
    HashMismatch,
    MissingWheels,
    NetworkUnavailable,
    StaleLock,
    UnsatisfiableDependencies,
    UvFailed,
)
from cloacina.packaging.locking import (
    Lock,
    SelectedWheel,
    Uv,
    export_lock,
    find_uv,
    run_uv,
    update_lock,
    wheels_by_index,
)
from cloacina.packaging.project import Project, read_project
from cloacina.packaging.targets import Target, targets_of
from package_index import PackageIndex, make_sdist, make_wheel

LINUX = Target("linux-x86_64", "3.11")
MACOS = Target("macos-arm64", "3.11")
WINDOWS = Target("windows-x86_64", "3.11")
ALPHA = make_wheel("alpha", "1.0")
BETA_LINUX = make_wheel("beta", "2.0", "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64")
BETA_MACOS = make_wheel("beta", "2.0", "cp311-cp311-macosx_11_0_arm64")


@pytest.fixture(scope="module")
def uv() -> Uv:
    return find_uv()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let uv begin with nothing, and reach nothing but the loopback device."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    # Looking for one takes longer than all the rest.
    monkeypatch.setenv("UV_PYTHON", sys.executable)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    with PackageIndex(ALPHA, BETA_LINUX, BETA_MACOS) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        yield index


def write_project(folder: Path, *dependencies: str, more: str = "", requires_python: str = ">=3.11") -> Project:
    folder.joinpath("demo").mkdir(parents=True, exist_ok=True)
    folder.joinpath("demo", "tasks.py").touch()
    folder.joinpath("pyproject.toml").write_text(
        f'[project]\nname = "demo"\nversion = "1.0.0"\nrequires-python = "{requires_python}"\n'
        f'dependencies = {list(dependencies)!r}\n[tool.cloacina]\nentry_module = "demo.tasks"\n{more}',
        encoding="utf-8",
    )
    return read_project(folder)


def lock(project: Project, uv: Uv, *targets: Target) -> Lock:
    update_lock(project, uv)
    return export_lock(project, uv, targets or (LINUX, MACOS))


def install(folder: Path, uv: Uv, variables: Mapping[str, str], wheels: Sequence[SelectedWheel]) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text(
        "".join(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels)
    )
    arguments = ["pip", "install", "--no-config", "--no-deps", "--require-hashes", "--target", "site", "-r"]
    run_uv(uv, [*arguments, str(requirements)], folder=folder, environment=variables)


def test_each_target_gets_its_own_wheels(tmp_path: Path, uv: Uv, index: PackageIndex) -> None:
    locked = lock(write_project(tmp_path / "p", "alpha", "beta"), uv)
    assert {target.name: [wheel.file_name for wheel in wheels] for target, wheels in locked.wheels.items()} == {
        "linux-x86_64-cp311": [ALPHA[0], BETA_LINUX[0]],
        "macos-arm64-cp311": [ALPHA[0], BETA_MACOS[0]],
    }
    assert [wheel.sha256 for wheel in locked.wheels[MACOS]] == [index.sha256(ALPHA[0]), index.sha256(BETA_MACOS[0])]
    assert locked.python_versions == {LINUX: "3.11.0", MACOS: "3.11.0"}


def test_both_documents_hold_names_versions_and_hashes_but_no_address(
    tmp_path: Path, uv: Uv, index: PackageIndex
) -> None:
    locked = lock(write_project(tmp_path / "p", "alpha", "beta ; sys_platform == 'linux'"), uv)
    assert locked.requirements == (
        f"alpha==1.0 \\\n    --hash=sha256:{index.sha256(ALPHA[0])}\n"
        f'beta==2.0 ; sys_platform == "linux" \\\n    --hash=sha256:{index.sha256(BETA_LINUX[0])}\n'
    )
    for text in (locked.requirements, locked.pylock, repr(locked)):
        assert "127.0.0.1" not in text
        assert "://" not in text
    packages = Pylock.from_dict(tomllib.loads(locked.pylock)).packages
    assert [(package.name, str(package.version)) for package in packages] == [("alpha", "1.0"), ("beta", "2.0")]
    assert [wheel.path for package in packages for wheel in package.wheels or ()] == [ALPHA[0], BETA_LINUX[0]]


def test_the_same_lock_gives_the_same_documents_in_another_folder(tmp_path: Path, uv: Uv, index: PackageIndex) -> None:
    one, other = (lock(write_project(tmp_path / name, "alpha", "beta"), uv) for name in ("one", "other"))
    assert (one.requirements, one.pylock) == (other.requirements, other.pylock)


def test_engine_is_left_out_with_what_only_it_needs(tmp_path: Path, uv: Uv, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make_wheel("cloacina", "0.1.0", requires=("engineonly", "alpha"))
    helper = make_wheel("plugin", "1.0", requires=("cloacina",))
    with PackageIndex(ALPHA, engine, helper, make_sdist("engineonly", "1.0")) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        locked = lock(write_project(tmp_path / "p", "cloacina", "plugin", "alpha"), uv)
    assert [wheel.name for wheel in locked.wheels[LINUX]] == ["alpha", "plugin"]


def test_engine_from_a_folder_is_left_out_as_well(tmp_path: Path, uv: Uv, index: PackageIndex) -> None:
    engine = tmp_path / "engine"
    engine.mkdir()
    engine.joinpath("pyproject.toml").write_text('[project]\nname = "cloacina"\nversion = "0.1.0"\n')
    more = '[tool.uv.sources]\ncloacina = { path = "../engine", editable = true }\n'
    locked = lock(write_project(tmp_path / "p", "cloacina", "alpha", more=more), uv)
    assert [wheel.name for wheel in locked.wheels[LINUX]] == ["alpha"]


def test_groups_of_development_are_left_out(tmp_path: Path, uv: Uv, index: PackageIndex) -> None:
    more = '[tool.uv]\ndefault-groups = ["dev", "lint"]\n[dependency-groups]\ndev = ["beta"]\nlint = ["beta"]\n'
    assert [wheel.name for wheel in lock(write_project(tmp_path / "p", "alpha", more=more), uv).wheels[LINUX]] == [
        "alpha"
    ]


def test_all_missing_wheels_of_all_targets_are_one_error(
    tmp_path: Path, uv: Uv, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PackageIndex(ALPHA, BETA_LINUX, make_sdist("gamma", "3.0")) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        project = write_project(tmp_path / "p", "alpha", "beta", "gamma")
        update_lock(project, uv)
        with pytest.raises(MissingWheels) as caught:
            export_lock(project, uv, (LINUX, MACOS, WINDOWS))
    assert caught.value.gaps == (
        ("beta", "2.0", "macos-arm64-cp311", "its wheels are for Linux x86_64"),
        ("beta", "2.0", "windows-x86_64-cp311", "its wheels are for Linux x86_64"),
        ("gamma", "3.0", "linux-x86_64-cp311", "source only"),
        ("gamma", "3.0", "macos-arm64-cp311", "source only"),
        ("gamma", "3.0", "windows-x86_64-cp311", "source only"),
    )
    assert all(len(line) <= 80 for line in caught.value.message.splitlines())


def test_package_that_a_target_does_not_need_is_no_gap(tmp_path: Path, uv: Uv, index: PackageIndex) -> None:
    locked = lock(write_project(tmp_path / "p", "beta ; sys_platform != 'win32'"), uv, LINUX, MACOS, WINDOWS)
    assert locked.wheels[WINDOWS] == ()


def test_sources_other_than_an_index_are_refused_all_at_once(tmp_path: Path, uv: Uv, index: PackageIndex) -> None:
    library = tmp_path / "library"
    library.mkdir()
    library.joinpath("pyproject.toml").write_text('[project]\nname = "library"\nversion = "1"\n')
    wheel = tmp_path / BETA_LINUX[0]
    wheel.write_bytes(BETA_LINUX[1])
    address = index.url.replace("/simple", f"/files/{ALPHA[0]}")
    more = f'[tool.uv.sources]\nlibrary = {{ path = "../library" }}\nbeta = {{ path = "../{wheel.name}" }}\n'
    project = write_project(tmp_path / "p", "library", "beta", f"alpha @ {address}", more=more)
    update_lock(project, uv)
    with pytest.raises(DependencyNotPackageable) as caught:
        export_lock(project, uv, [LINUX])
    assert "alpha comes from an address; beta comes from a file; library comes from the folder ../library" in str(
        caught.value
    )


@pytest.mark.parametrize("kind", ["index", "folder"])
def test_wheel_without_a_locked_hash_is_refused(
    kind: str, tmp_path: Path, uv: Uv, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PackageIndex(ALPHA, has_hashes=False) as index:
        wheels = tmp_path / "wheels"
        wheels.mkdir()
        wheels.joinpath(ALPHA[0]).write_bytes(ALPHA[1])
        if kind == "index":
            monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        else:
            monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
            monkeypatch.setenv("UV_DEFAULT_INDEX", f"{index.url}/nothing")
        project = write_project(tmp_path / "p", "alpha")
        update_lock(project, uv)
        with pytest.raises(HashMismatch, match=r"no SHA-256 of the wheels of alpha 1\.0"):
            export_lock(project, uv, [LINUX])


def test_change_names_added_removed_and_changed_versions(
    tmp_path: Path, uv: Uv, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PackageIndex(ALPHA, make_wheel("alpha", "2.0"), BETA_LINUX, make_wheel("gamma", "1.0")) as index:
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
        first = update_lock(write_project(tmp_path / "p", "alpha", "beta"), uv)
        same = update_lock(write_project(tmp_path / "p", "alpha", "beta"), uv)
        second = update_lock(write_project(tmp_path / "p", "alpha<2", "gamma"), uv)
        kept = update_lock(write_project(tmp_path / "p", "alpha", "gamma"), uv)
        upgraded = update_lock(write_project(tmp_path / "p", "alpha", "gamma"), uv, upgrade=True)
    assert first.added == (("alpha", "", "2.0"), ("beta", "", "2.0"))
    assert (same.is_written, same.is_empty) == (False, True)
    assert (second.added, second.removed, second.changed) == (
        (("gamma", "", "1.0"),),
        (("beta", "2.0", ""),),
        (("alpha", "2.0", "1.0"),),
    )
    assert (kept.is_written, kept.is_empty) == (True, True)
    assert upgraded.changed == (("alpha", "1.0", "2.0"),)


def test_locking_writes_uv_lock_and_nothing_else(tmp_path: Path, uv: Uv, index: PackageIndex) -> None:
    project = write_project(tmp_path / "p", "alpha")
    before = {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()}
    change = update_lock(project, uv)
    export_lock(project, uv, [LINUX])
    after = {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()}
    assert change.path == project.root / "uv.lock"
    assert after.keys() - before.keys() == {change.path}
    assert {path: after[path] for path in before} == before


def test_failing_lock_leaves_uv_lock_as_it_was(tmp_path: Path, uv: Uv, index: PackageIndex) -> None:
    path = update_lock(write_project(tmp_path / "p", "alpha"), uv).path
    before = path.read_bytes()
    with pytest.raises(UnsatisfiableDependencies):
        update_lock(write_project(tmp_path / "p", "alpha>9"), uv)
    assert path.read_bytes() == before
    path.unlink()
    with pytest.raises(UnsatisfiableDependencies):
        update_lock(write_project(tmp_path / "p", "alpha>9"), uv)
    assert not path.exists()


def test_stale_lock_is_refused_and_not_changed(tmp_path: Path, uv: Uv, index: PackageIndex) -> None:
    path = update_lock(write_project(tmp_path / "p", "alpha"), uv).path
    before = path.read_bytes()
    with pytest.raises(StaleLock, match="does not fit"):
        export_lock(write_project(tmp_path / "p", "alpha", "beta"), uv, [LINUX])
    assert path.read_bytes() == before


def test_what_was_locked_once_locks_and_exports_offline(tmp_path: Path, uv: Uv, index: PackageIndex) -> None:
    project = write_project(tmp_path / "p", "alpha")
    with pytest.raises(NetworkUnavailable):
        update_lock(project, uv, offline=True)
    online = lock(project, uv)
    project.root.joinpath("uv.lock").unlink()
    asked = len(index.requests)
    update_lock(project, uv, offline=True)
    offline = export_lock(project, uv, (LINUX, MACOS), offline=True)
    assert (offline.requirements, len(index.requests)) == (online.requirements, asked)


def test_environment_that_would_change_the_lock_is_not_passed_on(
    tmp_path: Path, uv: Uv, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = write_project(tmp_path / "elsewhere", "beta").root
    for name, value in {
        "UV_FROZEN": "1",
        "UV_PROJECT": str(elsewhere),
        "UV_WORKING_DIR": str(elsewhere),
        "VIRTUAL_ENV": str(tmp_path / "no-such-environment"),
        "FORCE_COLOR": "1",
        "RUST_LOG": "debug",
    }.items():
        monkeypatch.setenv(name, value)
    locked = lock(write_project(tmp_path / "p", "alpha"), uv)
    assert [wheel.name for wheel in locked.wheels[LINUX]] == ["alpha"]
    assert not elsewhere.joinpath("uv.lock").exists()


def test_project_that_needs_a_later_patch_release_begins_there(tmp_path: Path, uv: Uv, index: PackageIndex) -> None:
    project = write_project(tmp_path / "p", "alpha ; python_full_version >= '3.11.2'", requires_python=">=3.11.3")
    locked = lock(project, uv)
    assert locked.python_versions[LINUX] == "3.11.3"
    assert [wheel.name for wheel in locked.wheels[LINUX]] == ["alpha"]


def test_python_that_the_project_excludes_is_refused(tmp_path: Path, uv: Uv, index: PackageIndex) -> None:
    project = write_project(tmp_path / "p", "alpha", requires_python=">=3.11,<3.13")
    update_lock(project, uv)
    with pytest.raises(UnsatisfiableDependencies, match=r"is for Python 3\.13"):
        export_lock(project, uv, targets_of(["linux-x86_64"], ["3.12", "3.13"]))


def test_platform_that_the_lock_excludes_is_refused(tmp_path: Path, uv: Uv, index: PackageIndex) -> None:
    more = "[tool.uv]\nenvironments = [\"sys_platform == 'linux'\"]\n"
    with pytest.raises(UnsatisfiableDependencies, match=r"no solution for macos-arm64-cp311"):
        lock(write_project(tmp_path / "p", "alpha", more=more), uv)


def test_member_of_a_workspace_is_locked_in_the_root(tmp_path: Path, uv: Uv, index: PackageIndex) -> None:
    tmp_path.joinpath("pyproject.toml").write_text(
        '[project]\nname = "root"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["beta"]\n'
        '[tool.uv.workspace]\nmembers = ["p"]\n'
    )
    project = write_project(tmp_path / "p", "alpha")
    assert update_lock(project, uv).path == tmp_path / "uv.lock"
    assert [wheel.name for wheel in export_lock(project, uv, [LINUX]).wheels[LINUX]] == ["alpha"]
    assert not project.root.joinpath("uv.lock").exists()


def test_other_member_of_a_workspace_is_not_packageable(tmp_path: Path, uv: Uv, index: PackageIndex) -> None:
    tmp_path.joinpath("pyproject.toml").write_text('[tool.uv.workspace]\nmembers = ["p", "other"]\n')
    tmp_path.joinpath("other").mkdir()
    tmp_path.joinpath("other", "pyproject.toml").write_text(
        '[project]\nname = "other"\nversion = "1"\nrequires-python = ">=3.11"\n'
    )
    project = write_project(tmp_path / "p", "other", more="[tool.uv.sources]\nother = { workspace = true }\n")
    with pytest.raises(DependencyNotPackageable, match=r"other comes from the folder \.\./other"):
        lock(project, uv)


@pytest.mark.parametrize("place", ["name", "address"])
def test_installing_from_an_index_with_credentials_uses_those_of_the_project(
    place: str, tmp_path: Path, uv: Uv, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = f"Basic {base64.b64encode(b'robot:hunter22').decode()}"
    with PackageIndex(ALPHA, credentials=expected) as index:
        address = index.url if place == "name" else index.url.replace("://", "://robot:hunter22@")
        if place == "name":
            monkeypatch.setenv("UV_INDEX_INNER_USERNAME", "robot")
            monkeypatch.setenv("UV_INDEX_INNER_PASSWORD", "hunter22")
        more = f'[[tool.uv.index]]\nname = "inner"\nurl = "{address}"\ndefault = true\n'
        locked = lock(write_project(tmp_path / "p", "alpha", more=more), uv)
        for text in (repr(locked), locked.pylock, locked.requirements, (tmp_path / "p" / "uv.lock").read_text()):
            assert "hunter22" not in text
        ((variables, wheels),) = wheels_by_index(locked.wheels[LINUX])
        install(tmp_path, uv, variables, wheels)
    assert tmp_path.joinpath("site", "alpha.py").exists()


def test_wheel_comes_from_the_index_that_the_lock_names_for_it(tmp_path: Path, uv: Uv) -> None:
    impostor = make_wheel("alpha", "1.0", requires=("gamma",))
    beta = make_wheel("beta", "1.0")
    with PackageIndex(beta, impostor) as general, PackageIndex(ALPHA) as inner:
        more = (
            f'[[tool.uv.index]]\nname = "inner"\nurl = "{inner.url}"\nexplicit = true\n'
            f'[[tool.uv.index]]\nname = "general"\nurl = "{general.url}"\ndefault = true\n'
            '[tool.uv.sources]\nalpha = { index = "inner" }\n'
        )
        locked = lock(write_project(tmp_path / "p", "alpha", "beta", more=more), uv)
        groups = wheels_by_index(locked.wheels[LINUX])
        for variables, wheels in groups:
            install(tmp_path, uv, variables, wheels)
    assert [[wheel.name for wheel in wheels] for _, wheels in groups] == [["beta"], ["alpha"]]
    assert tmp_path.joinpath("site", "alpha.py").exists()
    assert tmp_path.joinpath("site", "beta.py").exists()


def test_uv_that_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    missing = Uv(tmp_path / "uv", "0.13.8")
    with pytest.raises(UvFailed, match="cannot be started"):
        run_uv(missing, ["lock"], folder=tmp_path)
