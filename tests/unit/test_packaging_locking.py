"""What needs no uv: the documents of a lock, the lock file, the environment, the indexes, and finding uv."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, strategies as st
from packaging.pylock import Pylock

from cloacina.errors import StaleLock, UnsatisfiableDependencies, UvNotFound, UvVersionUntested
from cloacina.packaging.locking import SelectedWheel, find_uv, wheels_by_index
from cloacina.packaging.locking.indexes import configured_indexes
from cloacina.packaging.locking.lock_documents import LockedPackage, LockedWheel, render_pylock, render_requirements
from cloacina.packaging.locking.lock_file import (
    compare_lock_files,
    files_without_hash,
    parse_lock_file,
    restore_lock_file,
)
from cloacina.packaging.locking.uv_environment import uv_environment
from cloacina.packaging.locking.wheel_selection import select_wheels
from cloacina.packaging.targets import PLATFORMS, Target, targets_of

LINUX = Target("linux-x86_64", "3.11")
MUSL = Target("linux-musl-x86_64", "3.11")
MACOS = Target("macos-arm64", "3.11")
WINDOWS = Target("windows-x86_64", "3.11")
SHA = "ab" * 32


PACKAGES = (
    LockedPackage(
        "alpha",
        "1.0+local",
        "sys_platform == 'linux' and platform_version != '\"'",
        (LockedWheel("alpha-1.0+local-py3-none-any.whl", SHA, 7),),
    ),
    LockedPackage(
        "beta",
        "2.0",
        "",
        (LockedWheel("beta-2.0-1-py3-none-any.whl", "cd" * 32), LockedWheel("beta-2.0-py3-none-any.whl", "01" * 32)),
    ),
)


def test_pylock_is_read_back_as_it_was_meant() -> None:
    text = render_pylock(PACKAGES, [LINUX, MACOS], requires_python=">=3.11")
    lock = Pylock.from_dict(tomllib.loads(text))
    assert [(found.name, str(found.version)) for found in lock.packages] == [("alpha", "1.0+local"), ("beta", "2.0")]
    assert str(lock.packages[0].marker) == 'sys_platform == "linux" and platform_version != \'"\''
    assert [(found.path, found.size, dict(found.hashes)) for found in lock.packages[0].wheels or ()] == [
        ("alpha-1.0+local-py3-none-any.whl", 7, {"sha256": SHA})
    ]
    assert str(lock.requires_python) == ">=3.11"


@pytest.mark.parametrize("target", targets_of(PLATFORMS, ["3.11", "3.13"]), ids=lambda target: target.name)
def test_pylock_is_for_the_targets_that_it_was_made_for(target: Target) -> None:
    lock = Pylock.from_dict(tomllib.loads(render_pylock(PACKAGES[1:], [target], requires_python=">=3.11")))
    assert len(list(lock.select(environment=target.environment(), tags=target.tags()))) == 1
    other = Target("macos-arm64" if target.platform != "macos-arm64" else "linux-arm64", target.python)
    with pytest.raises(UnsatisfiableDependencies):
        select_wheels(lock, other)


def test_pylock_without_packages_is_valid() -> None:
    lock = Pylock.from_dict(tomllib.loads(render_pylock((), [LINUX], requires_python=">=3.11")))
    assert lock.packages == []
    assert render_requirements(()) == ""


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_written_as_toml_that_reads_back(text: str) -> None:
    written = render_pylock([LockedPackage("alpha", "1", text or "x", ())], [LINUX], requires_python=text)
    document = tomllib.loads(written)
    assert (document["requires-python"], document["packages"][0]["marker"]) == (text, text or "x")


def test_requirements_are_hashed_and_sorted_by_hash() -> None:
    assert render_requirements(PACKAGES).splitlines() == [
        "alpha==1.0+local ; sys_platform == 'linux' and platform_version != '\"' \\",
        f"    --hash=sha256:{SHA}",
        "beta==2.0 \\",
        f"    --hash=sha256:{'01' * 32} \\",
        f"    --hash=sha256:{'cd' * 32}",
    ]


LOCK = b"""
version = 1
[[package]]
name = "alpha"
version = "1.0"
source = { registry = "https://index.example/simple" }
wheels = [
    { url = "https://index.example/a/alpha-1.0%2Bx-py3-none-any.whl#fragment" },
    { url = "https://index.example/alpha-1.0-py3-none-any.whl", hash = "sha256:00" },
]
[[package]]
name = "demo"
version = "1.0.0"
source = { virtual = "." }
[[package]]
name = "numpy"
version = "2.4"
source = { registry = "https://index.example/simple" }
[[package]]
name = "numpy"
version = "2.6"
source = { registry = "https://index.example/simple" }
"""


def test_change_leaves_out_the_project_and_joins_versions() -> None:
    change = compare_lock_files(Path("uv.lock"), None, LOCK)
    assert change.added == (("alpha", "", "1.0"), ("numpy", "", "2.4, 2.6"))
    later = compare_lock_files(Path("uv.lock"), LOCK, LOCK.replace(b'"2.6"', b'"2.7"'))
    assert (later.added, later.removed, later.changed) == ((), (), (("numpy", "2.4, 2.6", "2.4, 2.7"),))
    assert compare_lock_files(Path("uv.lock"), b"not = [toml", LOCK).added == change.added


def test_wheels_without_a_hash_are_found_by_their_names() -> None:
    assert files_without_hash(parse_lock_file(LOCK)) == {("alpha", "1.0", "alpha-1.0+x-py3-none-any.whl")}
    with pytest.raises(StaleLock, match=r"uv\.lock cannot be read"):
        parse_lock_file(b"<<<<<<< ours")


def test_lock_file_is_restored(tmp_path: Path) -> None:
    path = tmp_path / "uv.lock"
    path.write_bytes(b"new")
    restore_lock_file(path, b"old")
    assert path.read_bytes() == b"old"
    restore_lock_file(path, None)
    restore_lock_file(path, None)
    assert not path.exists()
    restore_lock_file(path, b"old")
    assert path.read_bytes() == b"old"


def test_environment_keeps_the_way_to_the_indexes_and_drops_what_changes_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = {
        "HTTPS_PROXY": "http://proxy:1",
        "SSL_CERT_FILE": "/certificates",
        "NETRC": "/netrc",
        "UV_CACHE_DIR": "/cache",
        "UV_INDEX_INNER_PASSWORD": "x",
        "UV_HTTP_TIMEOUT": "9",
        "UV_EXCLUDE_NEWER": "2026-01-01",
    }
    dropped = (
        "UV_PROJECT",
        "UV_FROZEN",
        "UV_NO_VERIFY_HASHES",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "PYTHONPATH",
        "RUST_LOG",
    )
    for name, value in {**kept, **dict.fromkeys(dropped, "1")}.items():
        monkeypatch.setenv(name, value)
    environment = uv_environment(offline=True)
    assert kept.items() <= environment.items()
    assert not environment.keys() & set(dropped)
    assert (environment["UV_PYTHON_DOWNLOADS"], environment["UV_OFFLINE"]) == ("never", "1")


def test_uv_finds_the_python_that_runs_this_where_no_other_is_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/first")
    folder = str(Path(sys.executable).parent)
    assert uv_environment()["PATH"].split(os.pathsep) == ["/first", folder]
    monkeypatch.delenv("PATH")
    assert uv_environment()["PATH"] == folder


def test_indexes_that_are_given_replace_those_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX"):
        monkeypatch.setenv(name, "https://elsewhere.example/")
    assert "https://elsewhere.example/" in uv_environment().values()
    environment = uv_environment({"UV_DEFAULT_INDEX": "https://a.example/"})
    assert "https://elsewhere.example/" not in environment.values()
    assert environment["UV_DEFAULT_INDEX"] == "https://a.example/"


def test_wheels_are_grouped_by_their_index() -> None:
    one, two, three = (
        SelectedWheel(name, "1", f"{name}-1.whl", SHA, index) for name, index in (("a", "x"), ("b", "y"), ("c", "x"))
    )
    assert wheels_by_index([one, two, three]) == (
        ({"UV_DEFAULT_INDEX": "x"}, (one, three)),
        ({"UV_DEFAULT_INDEX": "y"}, (two,)),
    )
    assert "x" not in repr(SelectedWheel("a", "1", "a.whl", SHA, "x"))


def test_names_and_credentials_of_indexes_are_found_where_uv_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("UV_INDEX", "env=https://env.example/simple other=https://other.example/")
    (tmp_path / "config" / "uv").mkdir(parents=True)
    (tmp_path / "config" / "uv" / "uv.toml").write_text('index-url = "https://me:pass@user.example/simple/"\n')
    (tmp_path / "uv.toml").write_text('[[index]]\nname = "team"\nurl = "https://team.example/simple"\n')
    (tmp_path / "pyproject.toml").write_text(
        '[[tool.uv.index]]\nname = "mine"\nurl = "https://x:y@MINE.example/simple/"\n'
    )
    addresses = [f"https://{name}.example/simple" for name in ("mine", "team", "env", "user", "unknown")]
    assert list(configured_indexes(addresses, [tmp_path]).values()) == [
        "mine=https://x:y@MINE.example/simple/",
        "team=https://team.example/simple",
        "env=https://env.example/simple",
        "https://me:pass@user.example/simple/",
        "https://unknown.example/simple",
    ]


def _program(folder: Path, output: str, *, exit_code: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "uv"
    program.write_text(f"#!/bin/sh\necho '{output}'\nexit {exit_code}\n")
    program.chmod(0o755)
    return program


@pytest.fixture
def no_uv_beside_python(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing() -> str:
        raise FileNotFoundError

    monkeypatch.setitem(__import__("sys").modules, "uv", SimpleNamespace(find_uv_bin=find_nothing))


@pytest.mark.skipif("sys.platform == 'win32'", reason="the programs are shell scripts")
@pytest.mark.usefixtures("no_uv_beside_python")
class TestFindingUv:
    def test_uv_of_a_tested_version_is_taken_from_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program = _program(tmp_path, "uv 0.13.99 (abc 2026-01-01)")
        monkeypatch.setenv("PATH", str(tmp_path))
        assert (find_uv().path, find_uv().version) == (program, "0.13.99")

    @pytest.mark.parametrize("version", ["0.12.0", "0.14.0", "1.0.0"])
    def test_other_versions_are_refused_unless_allowed(
        self, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _program(tmp_path, f"uv {version}")
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(UvVersionUntested, match=rf"uv {re.escape(version)} was found"):
            find_uv()
        assert find_uv(allow_untested=True).version == version

    def test_tested_uv_beside_python_goes_before_an_untested_one_on_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _program(tmp_path / "path", "uv 0.5.0")
        beside = _program(tmp_path / "beside", "uv 0.13.1")
        monkeypatch.setenv("PATH", str(tmp_path / "path"))
        monkeypatch.setitem(__import__("sys").modules, "uv", SimpleNamespace(find_uv_bin=lambda: str(beside)))
        assert find_uv(allow_untested=True).path == beside

    def test_absent_uv_is_an_error_that_says_how_to_install_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(UvNotFound, match=r"no uv on PATH.*pip install 'cloacina\[build\]'"):
            find_uv()

    @pytest.mark.parametrize(("output", "exit_code"), [("uv 0.13.8", 3), ("hello", 0), ("uv 0.x", 0)])
    def test_program_that_is_no_working_uv_is_not_taken(
        self, output: str, exit_code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _program(tmp_path, output, exit_code=exit_code)
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(UvNotFound, match="does not run"):
            find_uv()
