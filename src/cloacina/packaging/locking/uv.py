"""uv: where it is, whether its version is one that was tested, and running it so that every failure is one error."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from cloacina.errors import UvFailed, UvNotFound, UvVersionUntested
from cloacina.packaging.locking.failures import error_of
from cloacina.packaging.locking.processes import ProcessGroup
from cloacina.packaging.locking.uv_environment import uv_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TESTED_UV: Final = SpecifierSet(">=0.13.0,<0.14")
"""The versions of uv whose messages and lock files are known; tests/packaging/uv_messages has what they print."""

# The extra `build` installs the same range.
_INSTALL: Final = "pip install 'cloacina[build]'"
_VERSION_OUTPUT: Final = re.compile(r"uv (?P<version>\S+)")
_SECONDS_FOR_VERSION: Final = 30


@dataclass(frozen=True, slots=True)
class Uv:
    """An installed uv.

    Attributes:
        path: The program.
        version: Its version, such as `0.13.8`.
    """

    path: Path
    version: str


def find_uv(*, allow_untested: bool = False) -> Uv:
    """Return the uv to use: the one on PATH, or the one that is installed beside this Python.

    The first whose version was tested is taken.

    Args:
        allow_untested: Whether to take a version that was not tested, where there is no other.

    Raises:
        UvNotFound: There is no uv, or none that runs.
        UvVersionUntested: Only versions outside of `TESTED_UV` were found.
    """
    found: list[Uv] = []
    broken: list[str] = []
    for path in _candidates():
        try:
            uv = _inspect(path)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            broken.append(f"{path} does not run ({error})")
            continue
        if TESTED_UV.contains(uv.version, prereleases=True):
            return uv
        found.append(uv)
    if not found:
        problem = "; ".join(broken) or "There is no uv on PATH, and none is installed beside this Python"
        raise UvNotFound(f"{problem}. uv locks and installs the dependencies of a package. Install it: {_INSTALL}")
    if allow_untested:
        return found[0]
    versions = " and ".join(dict.fromkeys(uv.version for uv in found))
    raise UvVersionUntested(
        f"uv {versions} was found, and Cloacina was tested with uv {TESTED_UV}. Install a tested version:"
        f" {_INSTALL}, or pass --allow-untested-uv to use this one"
    )


def run_uv(
    uv: Uv,
    arguments: Sequence[str],
    *,
    folder: Path,
    offline: bool = False,
    environment: Mapping[str, str] | None = None,
    processes: ProcessGroup | None = None,
) -> str:
    """Run uv to its end, and return what it has written to standard output.

    uv downloads no Python, shows no progress, and does not see the active virtual environment. It and what it has
    started are ended when the caller is interrupted; there is no other limit on its time, because resolving and
    downloading may take minutes.

    Args:
        uv: The program.
        arguments: Its arguments.
        folder: The current folder it runs in.
        offline: Whether it may use its cache only.
        environment: Variables to set, such as `MACOSX_DEPLOYMENT_TARGET`. With `UV_DEFAULT_INDEX` among them, the
            indexes of the user's environment are left out.
        processes: What this run can be ended with from another thread.

    Raises:
        DependencyError: uv has failed: the subclass says why. Messages hold no address, host name or credential.
        InvalidProject: uv cannot read pyproject.toml.
    """
    group = processes or ProcessGroup()
    variables = uv_environment(environment, offline=offline)
    try:
        finished = group.run([uv.path, *arguments], folder=folder, environment=variables)
    except OSError as error:
        raise UvFailed(f"uv cannot be started: {error.strerror or error}. Check {uv.path}") from error
    if finished.exit_code != 0:
        addresses = tuple(value for name, value in variables.items() if "INDEX" in name or name == "UV_FIND_LINKS")
        raise error_of(finished.errors, exit_code=finished.exit_code, folder=folder, addresses=addresses)
    return finished.output


def _candidates() -> Iterator[Path]:
    if on_path := shutil.which("uv"):
        yield Path(on_path)
    try:
        beside = import_module("uv").find_uv_bin()
    except (ImportError, OSError, AttributeError):
        # Not installed, or installed without its program.
        return
    yield Path(beside)


def _inspect(path: Path) -> Uv:
    """Return the program with its version.

    Raises:
        OSError: It cannot be started.
        SubprocessError: It fails, or does not end.
        ValueError: What it prints names no version.
    """
    output = subprocess.run(  # noqa: S603 - a path found by its name
        [path, "--version"],
        capture_output=True,
        check=True,
        encoding="utf-8",
        errors="replace",
        timeout=_SECONDS_FOR_VERSION,
        env=uv_environment(),
        stdin=subprocess.DEVNULL,
    ).stdout
    match = _VERSION_OUTPUT.match(output)
    if match is None:
        raise ValueError("it prints no version")
    try:
        Version(match["version"])
    except InvalidVersion as error:
        raise ValueError(f"its version is {match['version']!r}") from error
    return Uv(path, match["version"])
