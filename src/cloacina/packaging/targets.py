"""The targets that a package is built for: a platform and a Python, and what installers need to know about both.

A target decides which wheels are packed, so its markers and tags are those that uv works with for the same platform;
`tests/packaging/test_targets_agree_with_uv.py` holds the two together.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Final

from cloacina.errors import InvalidOption, join_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from packaging.markers import Environment
    from packaging.tags import Tag

PLATFORMS: Final = ("linux-arm64", "linux-musl-x86_64", "linux-x86_64", "macos-arm64", "macos-x86_64", "windows-x86_64")
"""The platforms that a package can be built for."""

DEFAULT_PLATFORMS: Final = ("linux-arm64", "linux-x86_64", "macos-arm64", "macos-x86_64")
"""The platforms that a package is built for if its project names none."""

PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
"""The versions of CPython that a package can be built for."""

_PYTHON: Final = re.compile(r"3\.(1[1-9]|[2-9][0-9])")
_NAME: Final = re.compile(r"(?P<platform>.+)-cp3(?P<minor>[0-9]{2})")

# A wheel's platform tag says the oldest system it runs on; these are the oldest that a package promises to run on.
_GLIBC: Final = (2, 28)
_MUSL: Final = (1, 2)
_MACOS: Final = (13, 0)
# PEP 600: what a manylinux tag of glibc 2.x was called before, and the oldest 2.x that each machine has tags for.
_LEGACY_MANYLINUX: Final = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_OLDEST_MANYLINUX: Final = {"x86_64": 5, "aarch64": 17}


@dataclass(frozen=True, slots=True)
class _System:
    """What a platform is called by Python, by uv and by the tags of wheels."""

    uv: str
    machine: str  # platform.machine()
    system: str  # platform.system()
    sys_platform: str
    tag: str  # the most demanding platform tag that still fits
    floor: str | None = None


_SYSTEMS: Final = {
    "linux-arm64": _System(
        "aarch64-manylinux_2_28", "aarch64", "Linux", "linux", "manylinux_2_28_aarch64", "glibc 2.28"
    ),
    "linux-musl-x86_64": _System(
        "x86_64-unknown-linux-musl", "x86_64", "Linux", "linux", "musllinux_1_2_x86_64", "musl 1.2"
    ),
    "linux-x86_64": _System("x86_64-manylinux_2_28", "x86_64", "Linux", "linux", "manylinux_2_28_x86_64", "glibc 2.28"),
    "macos-arm64": _System("aarch64-apple-darwin", "arm64", "Darwin", "darwin", "macosx_13_0_arm64", "macOS 13.0"),
    "macos-x86_64": _System("x86_64-apple-darwin", "x86_64", "Darwin", "darwin", "macosx_13_0_x86_64", "macOS 13.0"),
    "windows-x86_64": _System("x86_64-pc-windows-msvc", "AMD64", "Windows", "win32", "win_amd64"),
}


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """A platform and a version of CPython that a package runs on.

    Attributes:
        platform: One of `PLATFORMS`, such as ``linux-x86_64``.
        python: The version of CPython, such as ``3.11``. A compiled module for one does not load on another.

    Raises:
        InvalidOption: The platform is none of `PLATFORMS`, or the version is not like ``3.11`` or is older.

    Example:
        ```python
        from cloacina.packaging.targets import Target

        target = Target("linux-x86_64", "3.11")
        print(target.name, target.abi, target.floor)
        #> linux-x86_64-cp311 cp311 glibc 2.28
        ```
    """

    platform: str
    python: str

    def __post_init__(self) -> None:
        if self.platform not in _SYSTEMS:
            close = get_close_matches(self.platform, PLATFORMS, n=1, cutoff=0.5)
            raise InvalidOption(
                f"{self.platform!r} is no platform that packages are built for."
                f"{f' Did you mean {close[0]!r}?' if close else ''} Known are {join_names(PLATFORMS)}"
            )
        if not _PYTHON.fullmatch(self.python):
            raise InvalidOption(
                f"{self.python!r} is no version of Python that packages are built for. Expected a version such as"
                f" '3.11', from 3.11 on"
            )

    @property
    def abi(self) -> str:
        """The tag of the binary interface, such as ``cp311``."""
        return f"cp{self.python.replace('.', '')}"

    @property
    def name(self) -> str:
        """The name of the target, which is also that of its folder in ``vendor/``: ``linux-x86_64-cp311``."""
        return f"{self.platform}-{self.abi}"

    @property
    def floor(self) -> str | None:
        """The oldest system library or system that the packed wheels may need, or None where there is no such thing."""
        return _SYSTEMS[self.platform].floor

    @property
    def uv_platform(self) -> str:
        """The value for uv's ``--python-platform``."""
        return _SYSTEMS[self.platform].uv

    @property
    def deployment_target(self) -> str | None:
        """The value for ``MACOSX_DEPLOYMENT_TARGET``, by which uv knows the oldest macOS; None elsewhere."""
        return "{}.{}".format(*_MACOS) if self.platform.startswith("macos-") else None

    def environment(self) -> Environment:
        """Return the values of all variables of environment markers (PEP 508) on this target.

        The version of Python is the first of its series, and the release and version of the system are empty: a package
        has to run on every one of them.
        """
        system = _SYSTEMS[self.platform]
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "nt" if system.sys_platform == "win32" else "posix",
            "platform_machine": system.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": system.system,
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": system.sys_platform,
        }

    def tags(self) -> tuple[Tag, ...]:
        """Return the tags of the wheels that can be installed on this target, the best first."""
        return _tags_of(self)


def targets_of(platforms: Iterable[str], pythons: Iterable[str]) -> tuple[Target, ...]:
    """Return the targets of all combinations, sorted and without repetition.

    Args:
        platforms: Names of platforms, out of `PLATFORMS`.
        pythons: Versions of CPython, out of `PYTHONS`.

    Raises:
        InvalidOption: A platform or a version is not known; the message names those that are.

    Example:
        ```python
        from cloacina.packaging.targets import targets_of

        for target in targets_of(["macos-arm64", "linux-x86_64"], ["3.12"]):
            print(target.name)
            #> linux-x86_64-cp312
            #> macos-arm64-cp312
        ```
    """
    versions = sorted(set(pythons))
    for version in versions:
        if version not in PYTHONS:
            raise InvalidOption(
                f"{version!r} is no version of Python that packages are built for. Known are {join_names(PYTHONS)}"
            )
    return tuple(sorted(Target(platform, version) for platform in set(platforms) for version in versions))


def parse_target(name: str) -> Target:
    """Return the target of a name such as ``linux-x86_64-cp311``.

    Raises:
        InvalidOption: The name is not one of a target.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise InvalidOption(
            f"{name!r} is no name of a target. Expected a platform and a Python, such as 'linux-x86_64-cp311'; the"
            f" platforms are {join_names(PLATFORMS)}"
        )
    return Target(match["platform"], f"3.{match['minor']}")


def host_target() -> Target | None:
    """Return the target that this interpreter can run.

    None is returned where there is no such target: on another machine or system, on one that is older than the
    target's `floor`, and for a Python that is not CPython or has no global interpreter lock.
    """
    from packaging.tags import platform_tags  # noqa: PLC0415 - inspecting a system is not needed to name a target

    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return None
    supported = set(platform_tags())
    platform = next((name for name, system in _SYSTEMS.items() if system.tag in supported), None)
    return None if platform is None else Target(platform, f"{sys.version_info[0]}.{sys.version_info[1]}")


@cache
def _tags_of(target: Target) -> tuple[Tag, ...]:
    from packaging.tags import compatible_tags, cpython_tags  # noqa: PLC0415 - only locking needs the tags

    major, minor = target.python.split(".")
    version = (int(major), int(minor))
    platforms = list(_platform_tags(_SYSTEMS[target.platform]))
    return (
        *cpython_tags(version, [target.abi], platforms),
        *compatible_tags(version, target.abi, platforms),
    )


def _platform_tags(system: _System) -> Iterator[str]:
    """Yield the platform tags of wheels that run on a system, from the newest to the oldest."""
    if system.tag.startswith("macosx"):
        from packaging.tags import mac_platforms  # noqa: PLC0415 - only locking needs the tags

        yield from mac_platforms(_MACOS, system.machine)
    elif system.tag.startswith("manylinux"):
        major, newest = _GLIBC
        for minor in range(newest, _OLDEST_MANYLINUX[system.machine] - 1, -1):
            yield f"manylinux_{major}_{minor}_{system.machine}"
            if minor in _LEGACY_MANYLINUX:
                yield f"{_LEGACY_MANYLINUX[minor]}_{system.machine}"
        yield f"linux_{system.machine}"
    elif system.tag.startswith("musllinux"):
        major, newest = _MUSL
        yield from (f"musllinux_{major}_{minor}_{system.machine}" for minor in range(newest, -1, -1))
        yield f"linux_{system.machine}"
    else:
        yield system.tag
