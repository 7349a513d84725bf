"""What we say about a target's markers and tags is what uv works with: asked of uv, with wheels made here."""

from __future__ import annotations

import os
import subprocess
from itertools import pairwise
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest
from uv import find_uv_bin

from cloacina.packaging.targets import PLATFORMS, Target

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PLATFORM_TAGS = (
    "manylinux_2_31_x86_64",
    "manylinux_2_28_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux_2_5_x86_64",
    "manylinux1_x86_64",
    "manylinux_2_28_aarch64",
    "manylinux_2_27_aarch64",
    "manylinux2014_aarch64",
    "linux_x86_64",
    "linux_aarch64",
    "musllinux_1_2_x86_64",
    "musllinux_1_1_x86_64",
    "musllinux_1_0_x86_64",
    "musllinux_1_3_x86_64",
    "macosx_14_0_arm64",
    "macosx_13_0_arm64",
    "macosx_11_0_arm64",
    "macosx_11_0_universal2",
    "macosx_10_9_universal2",
    "macosx_14_0_x86_64",
    "macosx_13_0_x86_64",
    "macosx_10_9_x86_64",
    "macosx_10_9_intel",
    "win_amd64",
    "win32",
    "win_arm64",
)
TAGS = (
    *(f"cp311-cp311-{platform}" for platform in PLATFORM_TAGS),
    *(f"cp311-abi3-{platform}" for platform in PLATFORM_TAGS[:2]),
    "cp38-abi3-manylinux_2_17_x86_64",
    "cp38-abi3-win_amd64",
    "cp312-cp312-win_amd64",
    "py3-none-manylinux2014_x86_64",
    "py3-none-win_amd64",
    "cp311-none-any",
    "py311-none-any",
)
FALLBACK = "py3-none-any"


def add_wheel(folder: Path, project: str, tags: str, requires: Iterable[str] = ()) -> None:
    information = f"{project}-1.dist-info"
    metadata = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    with ZipFile(folder / f"{project}-1-{tags}.whl", "w") as wheel:
        wheel.writestr(f"{project}.txt", tags)
        wheel.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: 1\n{metadata}")
        wheel.writestr(f"{information}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tags}\n")
        names = [f"{project}.txt", *(f"{information}/{name}" for name in ("METADATA", "WHEEL", "RECORD"))]
        wheel.writestr(f"{information}/RECORD", "".join(f"{name},,\n" for name in names))


def install(target: Target, wheels: Path, site: Path, projects: Iterable[str]) -> None:
    command = [
        *(find_uv_bin(), "pip", "install", "--quiet", "--offline", "--no-index", "--no-config", "--no-cache"),
        *("--find-links", str(wheels), "--target", str(site), "--link-mode", "copy", "--only-binary", ":all:"),
        *("--python-platform", target.uv_platform, "--python-version", target.python, *projects),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
    if target.deployment_target:
        environment["MACOSX_DEPLOYMENT_TARGET"] = target.deployment_target
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("platform", PLATFORMS)
def test_uv_prefers_the_wheels_that_we_prefer(platform: str, tmp_path: Path) -> None:
    target = Target(platform, "3.11")
    rank = {str(tag): number for number, tag in enumerate(target.tags())}
    wheels, site = tmp_path / "wheels", tmp_path / "site"
    wheels.mkdir()
    expected: dict[str, str] = {}
    # Each tag against one that always fits: is it taken at all? Then each that fits against the next best.
    ranked = sorted((tags for tags in TAGS if tags in rank), key=rank.__getitem__)
    assert ranked[-1] == "py311-none-any"
    for number, pair in enumerate([*((tags, FALLBACK) for tags in TAGS), *pairwise(ranked)]):
        project = f"project{number}"
        for tags in pair:
            add_wheel(wheels, project, tags)
        expected[project] = min(pair, key=lambda tags: rank.get(tags, len(rank)))
    install(target, wheels, site, expected)
    assert {project: (site / f"{project}.txt").read_text() for project in expected} == expected


@pytest.mark.parametrize("platform", PLATFORMS)
def test_uv_evaluates_markers_as_we_do(platform: str, tmp_path: Path) -> None:
    target = Target(platform, "3.12")
    wheels, site = tmp_path / "wheels", tmp_path / "site"
    wheels.mkdir()
    environment = target.environment()
    add_wheel(wheels, "asked", FALLBACK, [f"{name}; {name} == '{value}'" for name, value in environment.items()])
    for name in environment:
        add_wheel(wheels, name, FALLBACK)
    install(target, wheels, site, ["asked"])
    assert {path.stem for path in site.glob("*.txt")} == {"asked", *environment}
