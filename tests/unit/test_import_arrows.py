"""Imports point one way, and what a worker process runs with needs the standard library only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import cloacina

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
THE_SIX = ["context", "errors", "handle", "task", "waits", "workflow"]
LINT_IMPORTS = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"


def lint_imports(package_parent: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of pyproject.toml on the package in a folder."""
    return subprocess.run(
        [sys.executable, "-c", LINT_IMPORTS],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(package_parent), "NO_COLOR": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def package_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(Path(cloacina.__file__).parent, tmp_path / "cloacina"))


def test_the_contracts_hold() -> None:
    linted = lint_imports(ROOT / "src")
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        ("errors/base.py", "cloacina.store"),
        ("store/__init__.py", "cloacina.execution"),
        ("execution/__init__.py", "cloacina.scheduling"),
        ("scheduling/__init__.py", "cloacina.runner"),
        ("runner.py", "cloacina.cli"),
        ("workflow.py", "cloacina.runner"),
        ("handle.py", "anyio"),
        ("task.py", "pydantic"),
    ],
)
def test_an_import_that_points_up_is_caught(package_copy: Path, lower: str, upper: str) -> None:
    with (package_copy / lower).open("a") as module:
        module.write(f"\nimport {upper}\n")
    linted = lint_imports(package_copy.parent)
    importer = "cloacina." + lower.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    assert linted.returncode == 1, linted.stdout + linted.stderr
    assert re.search(rf"{importer}\S* -> {upper}", linted.stdout), linted.stdout


def test_a_module_without_a_place_in_the_layers_is_caught(package_copy: Path) -> None:
    (package_copy / "utils.py").write_text("")
    linted = lint_imports(package_copy.parent)
    assert linted.returncode == 1
    assert "cloacina.utils" in linted.stdout


def test_every_dependency_is_forbidden_to_the_six() -> None:
    contracts = {contract["id"]: contract for contract in PYPROJECT["tool"]["importlinter"]["contracts"]}
    contract = contracts["standard-library-only"]
    project = PYPROJECT["project"]
    requirements = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    names = {re.split(r"[^\w-]", requirement)[0].replace("-", "_") for requirement in requirements}
    assert names <= set(contract["forbidden_modules"])
    assert contract["source_modules"] == [f"cloacina.{name}" for name in THE_SIX]


def test_the_six_load_without_any_installed_package() -> None:
    program = f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r})\n"
    program += "".join(f"import cloacina.{name}\n" for name in THE_SIX)
    program += "print(*{name.partition('.')[0] for name in sys.modules}, sep='\\n')"
    # -I ignores the environment, -S leaves site-packages off the path: this is how a package's worker starts.
    loaded = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert loaded.returncode == 0, loaded.stderr
    assert set(loaded.stdout.split()) - sys.stdlib_module_names == {"__main__", "cloacina"}
