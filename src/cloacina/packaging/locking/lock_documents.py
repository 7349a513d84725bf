"""requirements.lock and pylock.toml of a package: what it holds, and nothing of where that came from.

Both list the wheels that the package's targets get, and no other file of a dependency, so that they say what is in the
package; both are the same text whenever the same wheels are locked.

Source: https://packaging.python.org/en/latest/specifications/pylock-toml/ (PEP 751)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloacina.packaging.targets import Target


@dataclass(frozen=True, slots=True)
class LockedWheel:
    """A wheel as both documents name it.

    Attributes:
        file_name: Its file name.
        sha256: Its digest.
        size: Its size in bytes, where the index gives it.
    """

    file_name: str
    sha256: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """A dependency as both documents name it.

    Attributes:
        name: Its normalised name.
        version: Its version.
        marker: When it is needed, as an environment marker; empty for always.
        wheels: The wheels that some target gets, sorted by their file names.
    """

    name: str
    version: str
    marker: str
    wheels: tuple[LockedWheel, ...]


def render_requirements(packages: Iterable[LockedPackage]) -> str:
    r"""Return requirements.lock: a requirement with its hashes for each dependency, for pip and for uv.

    Example:
        ```python
        from cloacina.packaging.locking.lock_documents import LockedPackage, LockedWheel, render_requirements

        wheel = LockedWheel("h11-0.16.0-py3-none-any.whl", "63cf8bbe" * 8)
        for line in render_requirements([LockedPackage("h11", "0.16.0", "", (wheel,))]).splitlines():
            print(line)
            #> h11==0.16.0 \
            #>     --hash=sha256:63cf8bbe63cf8bbe63cf8bbe63cf8bbe63cf8bbe63cf8bbe63cf8bbe63cf8bbe
        ```
    """
    return "".join(_requirement(package) for package in packages)


def render_pylock(packages: Iterable[LockedPackage], targets: Sequence[Target], *, requires_python: str) -> str:
    """Return pylock.toml: the same as PEP 751 has it, with each wheel's file name in place of its address.

    Args:
        packages: The dependencies, in the order to write them in.
        targets: What the document is for; `environments` names them, since nothing is locked for others.
        requires_python: The Pythons that the project allows.
    """
    lines = ['lock-version = "1.0"', "environments = ["]
    lines += [f"    {_text(marker)}," for marker in dict.fromkeys(_marker_of(target) for target in targets)]
    lines += ["]", f"requires-python = {_text(requires_python)}", 'created-by = "cloacina"', ""]
    blocks = ["\n".join(lines), *(_table(package) for package in packages)]
    # An empty array is the only way to say that there are no packages.
    return "\n".join(blocks) if len(blocks) > 1 else f"{blocks[0]}packages = []\n"


def _requirement(package: LockedPackage) -> str:
    marker = f" ; {package.marker}" if package.marker else ""
    hashes = sorted(f"--hash=sha256:{wheel.sha256}" for wheel in package.wheels)
    return " \\\n    ".join((f"{package.name}=={package.version}{marker}", *hashes)) + "\n"


def _table(package: LockedPackage) -> str:
    lines = ["[[packages]]", f"name = {_text(package.name)}", f"version = {_text(package.version)}"]
    if package.marker:
        lines.append(f"marker = {_text(package.marker)}")
    lines.append("wheels = [")
    for wheel in package.wheels:
        size = "" if wheel.size is None else f", size = {wheel.size}"
        lines.append(f"    {{ path = {_text(wheel.file_name)}{size}, hashes = {{ sha256 = {_text(wheel.sha256)} }} }},")
    return "\n".join([*lines, "]", ""])


def _marker_of(target: Target) -> str:
    known = target.environment()
    return (
        f"python_version == '{known['python_version']}' and sys_platform == '{known['sys_platform']}'"
        f" and platform_machine == '{known['platform_machine']}'"
    )


def _text(value: str) -> str:
    # A basic string of TOML takes every escape that JSON writes, and wants one more.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
