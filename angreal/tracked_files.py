"""What must not be in the repository: lock files, and the names of package registries."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# A lock file names the registry that its author happened to use. `exclude-newer` in pyproject.toml pins without one.
LOCK_FILES = ["package-lock.json", "pnpm-lock.yaml", "poetry.lock", "uv.lock", "yarn.lock"]

# Put together from their parts, because this file is tracked, too.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("files", "pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("conda", "anaconda", "org"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
    )
]


def findings(root: Path) -> list[str]:
    """Return a line for everything tracked below a folder that must not be there.

    Args:
        root: The folder of a git repository.

    Returns:
        Lines of the form `path:line: what is wrong`.
    """
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
    found: list[str] = []
    for name in listed.decode().split("\0"):
        path = root / name
        # A symlink's target is listed itself; a file that was just removed is no longer a concern.
        if not name or path.is_symlink() or not path.is_file():
            continue
        if path.name in LOCK_FILES:
            found.append(f"{name}: lock files are not tracked; remove it with `git rm --cached {name}`")
        for number, line in enumerate(path.read_bytes().splitlines(), start=1):
            found += [
                f"{name}:{number}: names the registry host {host}; leave the host to the reader's own configuration"
                for host in REGISTRY_HOSTS
                if host.encode() in line
            ]
    return found
