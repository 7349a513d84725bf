"""A target knows its names, its markers and its tags, and unknown ones are refused with the known ones."""

from __future__ import annotations

import platform
import sys
import sysconfig
from typing import cast

import pytest
from packaging.markers import Marker, default_environment
from packaging.tags import parse_tag, sys_tags

from cloacina.errors import InvalidOption
from cloacina.packaging.targets import (
    DEFAULT_PLATFORMS,
    PLATFORMS,
    PYTHONS,
    Target,
    host_target,
    parse_target,
    targets_of,
)

EVERY = targets_of(PLATFORMS, PYTHONS)


def accepts(target: Target, tags: str) -> bool:
    return bool(parse_tag(tags).intersection(target.tags()))


def position(target: Target, tags: str) -> int:
    return min(target.tags().index(tag) for tag in parse_tag(tags) if tag in target.tags())


def test_names_of_a_target() -> None:
    target = Target("linux-x86_64", "3.11")
    assert (target.abi, target.name, target.floor) == ("cp311", "linux-x86_64-cp311", "glibc 2.28")
    assert (target.uv_platform, target.deployment_target) == ("x86_64-manylinux_2_28", None)


def test_floor_of_each_platform() -> None:
    assert {name: Target(name, "3.12").floor for name in PLATFORMS} == {
        "linux-arm64": "glibc 2.28",
        "linux-musl-x86_64": "musl 1.2",
        "linux-x86_64": "glibc 2.28",
        "macos-arm64": "macOS 13.0",
        "macos-x86_64": "macOS 13.0",
        "windows-x86_64": None,
    }


def test_only_macos_has_a_deployment_target() -> None:
    told = {name: Target(name, "3.12").deployment_target for name in PLATFORMS}
    assert {name for name, version in told.items() if version == "13.0"} == {"macos-arm64", "macos-x86_64"}
    assert set(told.values()) == {"13.0", None}


@pytest.mark.parametrize("target", EVERY, ids=lambda target: target.name)
def test_name_is_read_back(target: Target) -> None:
    assert parse_target(target.name) == target


def test_targets_are_sorted_and_unique() -> None:
    targets = targets_of(["macos-arm64", "linux-x86_64", "macos-arm64"], ["3.12", "3.11", "3.12"])
    assert [target.name for target in targets] == [
        "linux-x86_64-cp311",
        "linux-x86_64-cp312",
        "macos-arm64-cp311",
        "macos-arm64-cp312",
    ]


def test_default_platforms_are_known() -> None:
    assert set(DEFAULT_PLATFORMS) < set(PLATFORMS)


@pytest.mark.parametrize(
    ("platforms", "pythons", "said"),
    [
        (["linux-x86-64"], ["3.11"], "Did you mean 'linux-x86_64'?"),
        (["amiga"], ["3.11"], "Known are 'linux-arm64', 'linux-musl-x86_64'"),
        (["linux-x86_64"], ["3.10"], "Known are '3.11', '3.12'"),
        (["linux-x86_64"], ["3.11.7"], "'3.11.7'"),
        (["linux-x86_64"], ["3.99"], "'3.99'"),
    ],
)
def test_unknown_platform_or_python_is_refused(platforms: list[str], pythons: list[str], said: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        targets_of(platforms, pythons)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "name", ["", "linux-x86_64", "linux-x86_64-cp310", "linux-x86_64-cp27", "amiga-cp311", "linux-x86_64-cp311 "]
)
def test_wrong_name_of_a_target_is_refused(name: str) -> None:
    with pytest.raises(InvalidOption):
        parse_target(name)


@pytest.mark.parametrize("target", EVERY, ids=lambda target: target.name)
def test_environment_has_every_marker_variable(target: Target) -> None:
    environment = cast("dict[str, str]", target.environment())
    assert environment.keys() == default_environment().keys()
    assert Marker(f"python_version == '{target.python}' and implementation_name == 'cpython'").evaluate(environment)


@pytest.mark.parametrize(
    ("name", "marker"),
    [
        ("windows-x86_64", "sys_platform == 'win32' and os_name == 'nt' and platform_machine == 'AMD64'"),
        ("macos-arm64", "sys_platform == 'darwin' and platform_system == 'Darwin' and platform_machine == 'arm64'"),
        ("macos-x86_64", "platform_system == 'Darwin' and platform_machine == 'x86_64' and os_name == 'posix'"),
        ("linux-arm64", "sys_platform == 'linux' and platform_machine == 'aarch64'"),
        ("linux-musl-x86_64", "platform_system == 'Linux' and platform_machine == 'x86_64'"),
        ("linux-x86_64", "python_full_version < '3.11.3' and extra != 'tests'"),
    ],
)
def test_markers_of_a_platform(name: str, marker: str) -> None:
    environment = cast("dict[str, str]", Target(name, "3.11").environment())
    assert Marker(marker).evaluate({**environment, "extra": ""})


@pytest.mark.parametrize(
    ("name", "fits", "does_not_fit"),
    [
        (
            "linux-x86_64",
            ["cp311-cp311-manylinux_2_28_x86_64", "cp311-abi3-manylinux2014_x86_64", "cp38-abi3-manylinux1_x86_64"],
            ["cp311-cp311-manylinux_2_31_x86_64", "cp312-cp312-manylinux_2_28_x86_64", "cp311-cp311-win_amd64"],
        ),
        (
            "linux-arm64",
            ["cp311-cp311-manylinux_2_17_aarch64", "py3-none-manylinux2014_aarch64"],
            ["cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux2010_aarch64"],
        ),
        (
            "linux-musl-x86_64",
            ["cp311-cp311-musllinux_1_1_x86_64", "cp311-cp311-musllinux_1_2_x86_64"],
            ["cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-musllinux_1_3_x86_64"],
        ),
        (
            "macos-arm64",
            ["cp311-cp311-macosx_11_0_arm64", "cp311-cp311-macosx_10_9_universal2", "cp311-cp311-macosx_13_0_arm64"],
            ["cp311-cp311-macosx_14_0_arm64", "cp311-cp311-macosx_10_9_x86_64", "cp311-cp311-macosx_10_9_arm64"],
        ),
        (
            "macos-x86_64",
            ["cp311-cp311-macosx_10_9_x86_64", "cp311-cp311-macosx_13_0_universal2", "cp311-none-macosx_10_6_intel"],
            ["cp311-cp311-macosx_11_0_arm64", "cp311-cp311-macosx_14_0_x86_64"],
        ),
        ("windows-x86_64", ["cp311-cp311-win_amd64", "py3-none-win_amd64"], ["cp311-cp311-win32"]),
    ],
)
def test_wheels_that_fit_a_target(name: str, fits: list[str], does_not_fit: list[str]) -> None:
    target = Target(name, "3.11")
    assert [tags for tags in [*fits, "py3-none-any", "py2.py3-none-any"] if not accepts(target, tags)] == []
    assert [tags for tags in [*does_not_fit, "cp311-cp311t-any", "py2-none-any"] if accepts(target, tags)] == []


def test_newer_tag_is_better_than_an_older_one_and_both_than_any() -> None:
    target = Target("linux-x86_64", "3.11")
    ranked = [
        "cp311-cp311-manylinux_2_28_x86_64",
        "cp311-cp311-manylinux_2_17_x86_64",
        "cp311-cp311-manylinux2014_x86_64",
        "cp311-cp311-manylinux_2_12_x86_64",
        "cp311-cp311-linux_x86_64",
        "cp311-abi3-manylinux_2_28_x86_64",
        "cp310-abi3-manylinux_2_28_x86_64",
        "py3-none-manylinux_2_28_x86_64",
        "cp311-none-any",
        "py3-none-any",
    ]
    assert sorted(ranked, key=lambda tags: position(target, tags)) == ranked


def test_host_target_is_what_this_interpreter_runs() -> None:
    target = host_target()
    is_ours = (
        sys.platform in {"linux", "darwin", "win32"}
        and platform.machine() in {"x86_64", "aarch64", "arm64", "AMD64"}
        and sys.implementation.name == "cpython"
        and not sysconfig.get_config_var("Py_GIL_DISABLED")
    )
    assert (target is not None) == is_ours
    if target is not None:
        host = default_environment()
        told = target.environment()
        assert told["python_version"] == host["python_version"]
        assert told["platform_machine"] == host["platform_machine"]
        # Every wheel for the target loads here: its tags are a part of what this interpreter takes.
        assert set(target.tags()) <= set(sys_tags())


@pytest.mark.parametrize(
    ("supported", "expected"),
    [
        (["manylinux_2_31_x86_64", "manylinux_2_28_x86_64", "linux_x86_64"], "linux-x86_64"),
        (["manylinux_2_28_aarch64", "linux_aarch64"], "linux-arm64"),
        (["musllinux_1_2_x86_64", "linux_x86_64"], "linux-musl-x86_64"),
        (["macosx_14_0_arm64", "macosx_13_0_arm64"], "macos-arm64"),
        (["win_amd64"], "windows-x86_64"),
        (["manylinux_2_17_x86_64", "linux_x86_64"], None),
        (["macosx_12_0_arm64"], None),
        (["linux_riscv64"], None),
        (["win_arm64"], None),
    ],
)
def test_host_that_is_too_old_or_another_is_no_target(
    supported: list[str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packaging.tags.platform_tags", lambda: iter(supported))
    target = host_target()
    assert (target and target.platform) == expected


def test_free_threaded_interpreter_is_no_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_config_var", lambda name: 1 if name == "Py_GIL_DISABLED" else None)
    assert host_target() is None
