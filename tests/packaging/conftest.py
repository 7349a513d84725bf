"""A project that was built with the real uv, from an index on this machine: one build serves many tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from build_samples import HOST, index_files, write_project
from cloacina.packaging import BuildResult, build_package
from package_index import PackageIndex

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def figures_index() -> Iterator[PackageIndex]:
    """The index that the project `figures` is locked with."""
    with PackageIndex(*index_files()) as index:
        yield index


@pytest.fixture(scope="module")
def build_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give uv a cache of the module's own, and return the folder for temporary files."""
    if HOST is None:
        pytest.skip("no package is built for this machine")
    temporary = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_CACHE_DIR", str(tmp_path_factory.mktemp("uv-cache")))
        patch.setenv("UV_HTTP_RETRIES", "0")
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("TMPDIR", str(temporary))
        patch.setattr("tempfile.tempdir", None)
        yield temporary


@pytest.fixture
def nothing_left_behind(build_environment: Path) -> Iterator[None]:
    """Hold a test to leaving no temporary file."""
    yield
    assert list(build_environment.iterdir()) == []


@pytest.fixture(scope="module")
def built(
    build_environment: Path, figures_index: PackageIndex, tmp_path_factory: pytest.TempPathFactory
) -> BuildResult:
    """The project `figures`, built for this machine and another platform."""
    return build_package(write_project(tmp_path_factory.mktemp("built"), figures_index.url))


@pytest.fixture
def project(built: BuildResult, tmp_path: Path) -> Path:
    """A copy of the project that was built, with its lock, and without its package."""
    return Path(shutil.copytree(built.path.parents[1], tmp_path / "figures", ignore=shutil.ignore_patterns("dist")))
