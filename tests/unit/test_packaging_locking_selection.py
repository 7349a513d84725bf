"""Which wheel a target gets, and what is missing and why."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from packaging.pylock import PackageWheel, Pylock

from cloacina.errors import MissingWheels, UnsatisfiableDependencies, UvFailed
from cloacina.packaging.locking.gaps import Gap, missing_wheels, reason_for
from cloacina.packaging.locking.wheel_selection import marker_environment, select_wheels
from cloacina.packaging.targets import PLATFORMS, Target, targets_of

LINUX = Target("linux-x86_64", "3.11")
MUSL = Target("linux-musl-x86_64", "3.11")
MACOS = Target("macos-arm64", "3.11")
WINDOWS = Target("windows-x86_64", "3.11")
SHA = "ab" * 32


def wheel(tag: str, name: str = "alpha", version: str = "1.0") -> PackageWheel:
    return PackageWheel(path=f"{name}-{version}-{tag}.whl", hashes={"sha256": SHA})


def pylock(*packages: dict[str, object], **more: object) -> Pylock:
    return Pylock.from_dict({"lock-version": "1.0", "created-by": "uv", "packages": list(packages), **more})


def package(name: str, *tags: str, version: str = "1.0", **more: object) -> dict[str, object]:
    wheels = [{"path": f"{name}-{version}-{tag}.whl", "hashes": {"sha256": SHA}} for tag in tags]
    return {"name": name, "version": version, "wheels": wheels, **more}


@pytest.mark.parametrize(
    ("tags", "chosen"),
    [
        (("py3-none-any", "cp311-cp311-manylinux_2_17_x86_64"), "cp311-cp311-manylinux_2_17_x86_64"),
        (("cp38-abi3-manylinux_2_17_x86_64", "cp311-abi3-manylinux_2_17_x86_64"), "cp311-abi3-manylinux_2_17_x86_64"),
        (
            ("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_28_x86_64"),
            "cp311-cp311-manylinux_2_28_x86_64",
        ),
        (("cp311-cp311-manylinux_2_34_x86_64", "cp311-cp311-manylinux2014_x86_64"), "cp311-cp311-manylinux2014_x86_64"),
        (("1-py3-none-any", "2-py3-none-any", "py3-none-any"), "2-py3-none-any"),
        (("py2.py3-none-any", "cp312-cp312-manylinux_2_17_x86_64"), "py2.py3-none-any"),
    ],
)
@pytest.mark.parametrize("is_reversed", [False, True])
def test_wheel_that_fits_best_is_chosen_in_whatever_order_they_are(
    tags: tuple[str, ...], chosen: str, is_reversed: bool
) -> None:
    ordered = tags[::-1] if is_reversed else tags
    selection = select_wheels(pylock(package("alpha", *ordered)), LINUX)
    assert [found.filename for _, found in selection.chosen] == [f"alpha-1.0-{chosen}.whl"]


def test_selection_is_that_of_pep_751_where_every_wheel_is_there() -> None:
    lock = pylock(
        package("beta", "py3-none-any", marker="sys_platform != 'win32'"),
        package("alpha", "cp311-cp311-macosx_11_0_arm64", "cp311-cp311-win_amd64", "cp311-abi3-manylinux_2_17_x86_64"),
        package("gamma", "py3-none-any", marker="python_full_version >= '3.12'"),
    )
    for target in (LINUX, MACOS, WINDOWS):
        expected = {
            (found.name, source.filename)
            for found, source in lock.select(environment=target.environment(), tags=target.tags())
            if isinstance(source, PackageWheel)
        }
        assert {(found.name, source.filename) for found, source in select_wheels(lock, target).chosen} == expected


def test_all_packages_without_a_wheel_are_found() -> None:
    lock = pylock(
        package("alpha", "cp311-cp311-win_amd64"),
        package("beta", "py3-none-any"),
        package("gamma", "cp312-cp312-win_amd64"),
    )
    selection = select_wheels(lock, LINUX)
    assert [gap.name for gap in selection.gaps] == ["alpha", "gamma"]
    assert [found.name for found, _ in selection.chosen] == ["beta"]


def test_package_of_another_platform_or_python_is_neither_chosen_nor_missing() -> None:
    lock = pylock(
        package("winonly", "cp311-cp311-win_amd64", marker="sys_platform == 'win32'"),
        package("backport", "cp310-cp310-win_amd64", marker="python_version < '3.11'"),
        package("extra", "cp310-cp310-win_amd64", marker="'speed' in extras"),
    )
    selection = select_wheels(lock, LINUX)
    assert (selection.chosen, selection.gaps) == ((), ())


def test_version_for_the_target_is_taken_where_there_are_two() -> None:
    lock = pylock(
        package("alpha", "py3-none-any", version="1.0", marker="python_full_version < '3.12'"),
        package("alpha", "py3-none-any", version="2.0", marker="python_full_version >= '3.12'"),
    )
    chosen = {
        target.python: select_wheels(lock, target).chosen[0][0]
        for target in targets_of(["macos-arm64"], ["3.11", "3.12"])
    }
    assert {python: str(found.version) for python, found in chosen.items()} == {"3.11": "1.0", "3.12": "2.0"}


def test_two_versions_for_one_target_are_refused() -> None:
    lock = pylock(package("alpha", "py3-none-any"), package("alpha", "py3-none-any", version="2.0"))
    with pytest.raises(UvFailed, match=r"two versions of alpha for linux-x86_64-cp311: 1\.0 and 2\.0"):
        select_wheels(lock, LINUX)


@pytest.mark.parametrize(
    ("requires_python", "first"),
    [
        ("", "3.11.0"),
        (">=3.11", "3.11.0"),
        (">=3.11.4", "3.11.4"),
        (">3.11.4,!=3.11.5", "3.11.6"),
        ("~=3.11.2", "3.11.2"),
    ],
)
def test_target_begins_with_the_first_release_that_the_project_allows(requires_python: str, first: str) -> None:
    environment = marker_environment(LINUX, requires_python)
    assert (environment["python_full_version"], environment["python_version"]) == (first, "3.11")


def test_python_that_the_project_excludes_is_refused() -> None:
    with pytest.raises(UnsatisfiableDependencies, match=r"requires Python >=3\.12, and linux-x86_64-cp311 is for"):
        marker_environment(LINUX, ">=3.12")


@pytest.mark.parametrize(
    ("tags", "target", "reason"),
    [
        ((), LINUX, "source only"),
        (("cp312-cp312-manylinux_2_17_x86_64",), LINUX, "its wheels are for CPython 3.12"),
        (
            ("cp39-cp39-manylinux2014_x86_64", "cp310-cp310-manylinux2014_x86_64", "cp313-cp313t-manylinux2014_x86_64"),
            LINUX,
            "its wheels are for CPython 3.9, CPython 3.10 and CPython 3.13 without GIL",
        ),
        (("pp310-pypy310_pp73-manylinux2014_x86_64",), LINUX, "its wheels are for PyPy 3.10"),
        (("cp312-abi3-manylinux2014_x86_64",), LINUX, "its wheels are for CPython 3.12 and later"),
        (("py2-none-any",), LINUX, "its wheels are for Python 2"),
        (("cp311-cp311-manylinux_2_34_x86_64",), LINUX, "its wheels need glibc 2.34, and the target is glibc 2.28"),
        (("cp311-cp311-macosx_14_0_arm64",), MACOS, "its wheels need macOS 14.0, and the target is macOS 13.0"),
        (("cp311-cp311-musllinux_1_3_x86_64",), MUSL, "its wheels need musl 1.3, and the target is musl 1.2"),
        (
            ("cp311-cp311-win_amd64", "cp311-cp311-macosx_11_0_universal2"),
            LINUX,
            "its wheels are for Windows x86_64 and macOS",
        ),
        (("cp311-cp311-manylinux_2_17_x86_64",), MUSL, "its wheels are for Linux x86_64"),
        (("cp311-cp311-musllinux_1_2_x86_64",), LINUX, "its wheels are for Linux with musl x86_64"),
        (("cp312-cp312-win32",), LINUX, "its wheels are for Windows x86"),
        (
            (
                *("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_17_aarch64"),
                *("cp311-cp311-musllinux_1_2_x86_64", "cp311-cp311-musllinux_1_2_aarch64"),
                *("cp311-cp311-macosx_11_0_x86_64", "cp311-cp311-macosx_11_0_arm64"),
            ),
            WINDOWS,
            "its wheels are for Linux, Linux with musl and macOS",
        ),
    ],
)
def test_reason_says_what_the_wheels_are_for(tags: tuple[str, ...], target: Target, reason: str) -> None:
    assert reason_for([wheel(tag) for tag in tags], target) == reason


def test_table_names_every_gap_once_and_fits_a_terminal() -> None:
    targets = targets_of(["linux-x86_64", "macos-arm64", "windows-x86_64"], ["3.11"])
    gaps = [Gap("sourceonly", "1.0", target, "source only") for target in targets]
    gaps.append(
        Gap(
            "a-package-with-quite-a-long-name",
            "2024.12.31.post1",
            WINDOWS,
            "its wheels are for Linux x86_64 and macOS arm64",
        )
    )
    error = missing_wheels(gaps, targets)
    assert (
        error.message
        == """\
Packages are made of wheels, and 2 dependencies lack some:

package                   no wheel for          because
------------------------  --------------------  --------------------------------
a-package-with-quite-a-   windows-x86_64-cp311  its wheels are for Linux x86_64
long-name                                       and macOS arm64
2024.12.31.post1
sourceonly 1.0            all 3 targets         source only

`cloacina lock --upgrade` takes newer versions, which may have them. Otherwise
choose a version that does, leave the target out, or publish the wheel yourself"""
    )
    assert error.gaps[1] == ("sourceonly", "1.0", "linux-x86_64-cp311", "source only")


NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,60}[a-z0-9]", fullmatch=True)


@given(
    st.lists(
        st.tuples(NAMES, st.sampled_from(targets_of(PLATFORMS, ["3.11", "3.12"])), st.text("abc ", max_size=200)),
        min_size=1,
    )
)
def test_table_is_never_wider_than_a_terminal(found: list[tuple[str, Target, str]]) -> None:
    error = missing_wheels([Gap(name, "1.0", target, reason) for name, target, reason in found], [LINUX, MACOS])
    assert isinstance(error, MissingWheels)
    assert max(len(line) for line in error.message.splitlines()) <= 80
