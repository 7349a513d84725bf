"""What a release contains, and that it works where nothing else is installed."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@dataclass(frozen=True)
class Distributions:
    """What a release consists of."""

    sdist: Path
    wheel: Path
    """Built from the source tree."""
    wheel_from_sdist: Path


@dataclass(frozen=True)
class Installation:
    """An environment in which the wheel is installed."""

    environment: Path

    def run(self, *command: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run one of the environment's programs in a folder, without this process's environment variables."""
        program = self.environment / "bin" / command[0]
        variables = {"PATH": os.defpath, "HOME": str(folder), "NO_COLOR": "1"}
        return subprocess.run(
            [program, *command[1:]], cwd=folder, env=variables, capture_output=True, text=True, check=False
        )


def uv(*arguments: str) -> None:
    # `uv run` tells the programs that it starts where it is; it need not be on the PATH.
    program = os.environ.get("UV") or shutil.which("uv")
    assert program, "uv was not found: start the tests with `uv run angreal test packaging`"
    finished = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    from_tree = tmp_path_factory.mktemp("from_tree")
    uv("build", "--quiet", "--sdist", "--out-dir", str(from_tree))
    uv("build", "--quiet", "--wheel", "--out-dir", str(from_tree))
    (sdist,) = from_tree.glob("*.tar.gz")
    (wheel,) = from_tree.glob("*.whl")
    from_sdist = tmp_path_factory.mktemp("from_sdist")
    uv("build", "--quiet", "--wheel", "--out-dir", str(from_sdist), str(sdist))
    (wheel_from_sdist,) = from_sdist.glob("*.whl")
    return Distributions(sdist, wheel, wheel_from_sdist)


@pytest.fixture(scope="module")
def installation(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    environment = tmp_path_factory.mktemp("environment") / "venv"
    uv("venv", "--quiet", "--python", sys.executable, str(environment))
    uv("pip", "install", "--quiet", "--python", str(environment), str(distributions.wheel))
    return Installation(environment)


def contents(wheel: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a wheel, by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


def files_of_the_package() -> set[str]:
    source = ROOT / "src"
    return {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_whole_package_and_nothing_else(distributions: Distributions) -> None:
    names = set(contents(distributions.wheel))
    metadata = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    assert names - metadata == files_of_the_package()
    assert "cloacina/py.typed" in names
    assert any(name.startswith("cloacina/store/migrations/versions/") for name in names)
    assert any(name.endswith("/licenses/LICENSE") for name in metadata)


def test_the_sdist_builds_the_same_wheel(distributions: Distributions) -> None:
    assert contents(distributions.wheel_from_sdist) == contents(distributions.wheel)


def test_the_sdist_holds_what_building_and_testing_needs(distributions: Distributions) -> None:
    with tarfile.open(distributions.sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers()}
    assert {f"src/{name}" for name in files_of_the_package()} <= names
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")} <= names
    top_level = ["CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md", "pyproject.toml"]
    assert {*top_level, ".ci/run", "adr/README.md", "angreal/task_test.py", "examples/inbox.py"} <= names
    assert not [name for name in names if name.endswith((".db", ".pyc", "uv.lock"))]


def test_the_metadata_says_what_an_installer_asks(distributions: Distributions) -> None:
    metadata = metadata_of(distributions.wheel)
    assert metadata["Name"] == "cloacina"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_all("Provides-Extra") == list(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("database", ["reports.db", "orders.db"])
def test_the_readmes_examples_run_from_the_wheel_in_an_empty_folder(
    installation: Installation, tmp_path: Path, database: str
) -> None:
    examples = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (example,) = [each for each in examples if database in each]
    (expected,) = re.findall(r"^#> (.*)$", example, re.MULTILINE)
    (tmp_path / "example.py").write_text(example)
    finished = installation.run("python", "-W", "error", "example.py", folder=tmp_path)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, f"{expected}\n", "")
    assert (tmp_path / database).stat().st_mode & 0o777 == 0o600


def test_the_installed_package_is_the_wheels_and_knows_its_version(installation: Installation, tmp_path: Path) -> None:
    program = "import cloacina, importlib.metadata as m; print(cloacina.__file__); print(cloacina.__version__)"
    program += "; print(m.version('cloacina'))"
    finished = installation.run("python", "-c", program, folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    location, own_version, recorded_version = finished.stdout.splitlines()
    assert Path(location).is_relative_to(installation.environment)
    assert own_version == recorded_version == PROJECT["version"]


def test_the_command_is_installed(installation: Installation, tmp_path: Path) -> None:
    finished = installation.run("cloacina", "explain", "CLO-1203", folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "CLO-1203" in finished.stdout
    assert "ConditionError" in finished.stdout
