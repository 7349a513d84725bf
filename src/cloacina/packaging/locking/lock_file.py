"""uv.lock: where it is, which versions it holds, and what locking has changed in it."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from packaging.markers import Marker

from cloacina.errors import StaleLock, UvFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILE_NAME: Final = "uv.lock"
# The project itself, and other members of its workspace.
_OWN_SOURCES: Final = frozenset({"virtual", "editable"})


@dataclass(frozen=True, slots=True)
class LockChange:
    """What locking has changed in uv.lock.

    A dependency with different versions for different Pythons or platforms has them joined by `, `.

    Attributes:
        added: `(name, "", new version)` of each dependency that is new.
        removed: `(name, old version, "")` of each that is gone.
        changed: `(name, old version, new version)` of each that is locked at another version.
        is_written: Whether the file was changed at all; a marker or a hash changes without any version.
        path: The file: in the project's folder, or in that of the workspace that it belongs to.
    """

    added: tuple[tuple[str, str, str], ...]
    removed: tuple[tuple[str, str, str], ...]
    changed: tuple[tuple[str, str, str], ...]
    is_written: bool
    path: Path

    @property
    def is_empty(self) -> bool:
        """Whether every dependency is locked at the version that it had before."""
        return not (self.added or self.removed or self.changed)


def read_lock_file(path: Path) -> bytes | None:
    """Return the content of a lock file, or None if there is none.

    Raises:
        UvFailed: It cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UvFailed(
            f"{path.name} cannot be read: {error.strerror}. Check what it is, and its permissions"
        ) from error


def restore_lock_file(path: Path, content: bytes | None) -> None:
    """Make a lock file what it was before, if it is not.

    Raises:
        OSError: It cannot be written.
    """
    if content is None:
        with suppress(FileNotFoundError):
            path.unlink()
    elif not path.is_file() or path.read_bytes() != content:
        path.write_bytes(content)


def compare_lock_files(path: Path, before: bytes | None, after: bytes | None) -> LockChange:
    """Return what has changed from one content of a lock file to another.

    A content that is not TOML counts as empty: locking has replaced it.
    """
    old, new = _versions(before), _versions(after)
    return LockChange(
        added=tuple((name, "", new[name]) for name in sorted(new.keys() - old.keys())),
        removed=tuple((name, old[name], "") for name in sorted(old.keys() - new.keys())),
        changed=tuple(
            (name, old[name], new[name]) for name in sorted(old.keys() & new.keys()) if old[name] != new[name]
        ),
        is_written=before != after,
        path=path,
    )


def parse_lock_file(content: bytes) -> Mapping[str, Any]:
    """Return what a lock file holds.

    Raises:
        StaleLock: The content is not TOML.
    """
    try:
        return tomllib.loads(content.decode())
    except ValueError as error:
        raise StaleLock(f"{FILE_NAME} cannot be read: {error}. Run `cloacina lock`, and commit {FILE_NAME}") from error


def supported_markers(document: Mapping[str, Any]) -> tuple[Marker, ...]:
    """Return for which environments a lock file is, any of them; an empty one is for all.

    uv 0.13.0 leaves them out of what it exports, and a target outside of them would get what others need.
    """
    return tuple(Marker(text) for text in document.get("supported-markers", ()))


def files_without_hash(document: Mapping[str, Any]) -> frozenset[tuple[str, str, str]]:
    """Return the wheels for which a lock file has no hash: `(name, version, file name)`.

    uv writes the hashes that the index gives. For a file without one, `uv export` computes the hash of what the index
    has at that moment, which proves nothing about what was locked.
    """
    return frozenset(
        (package.get("name", ""), package.get("version", ""), _file_name(wheel))
        for package in _packages(document)
        for wheel in package.get("wheels", ())
        if "hash" not in wheel
    )


def _file_name(wheel: Mapping[str, Any]) -> str:
    address = str(wheel.get("url") or wheel.get("path") or wheel.get("filename") or "")
    return unquote(urlsplit(address).path.rpartition("/")[2])


def _versions(content: bytes | None) -> dict[str, str]:
    try:
        document = tomllib.loads((content or b"").decode())
    except ValueError:
        return {}
    found: dict[str, set[str]] = {}
    for package in _packages(document):
        if not _OWN_SOURCES & package.get("source", {}).keys():
            found.setdefault(package.get("name", ""), set()).add(package.get("version", "of no fixed version"))
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


def _packages(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from document.get("package", ())
