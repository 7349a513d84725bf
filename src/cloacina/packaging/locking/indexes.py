"""The indexes of locked wheels, as uv has to be told them again when it installs without its configuration.

uv.lock names an index by its address, without credentials. uv finds those by the index's name, or reads them from the
address in its configuration; so both are looked up there.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cloacina.packaging.locking.wheel_selection import SelectedWheel


def wheels_by_index(wheels: Iterable[SelectedWheel]) -> tuple[tuple[dict[str, str], tuple[SelectedWheel, ...]], ...]:
    """Return the wheels of each index, with the variables by which `run_uv` lets uv look there and nowhere else.

    One installation an index is needed, because uv takes a version from the first index that has it, and two may have
    different wheels of one version. The addresses are in variables and not in arguments, which every user of the
    machine can read.

    Args:
        wheels: What one target gets.
    """
    groups: dict[str, list[SelectedWheel]] = {}
    for wheel in wheels:
        groups.setdefault(wheel.index, []).append(wheel)
    return tuple(({"UV_DEFAULT_INDEX": index} if index else {}, tuple(groups[index])) for index in sorted(groups))


def configured_indexes(addresses: Iterable[str], folders: Iterable[Path]) -> dict[str, str]:
    """Return what uv has to be told for each address: `name=address` where the index has a name.

    Args:
        addresses: Addresses of indexes, as uv.lock has them.
        folders: Where a pyproject.toml or a uv.toml may configure indexes: the project's and its workspace's.
    """
    known: dict[str, str] = {}
    for configured in (*_from_environment(), *_from_files(folders)):
        known.setdefault(
            _without_credentials(configured.rpartition("=")[2] if _is_named(configured) else configured), configured
        )
    return {address: known.get(_without_credentials(address), address) for address in addresses}


def _from_environment() -> Iterator[str]:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"):
        yield from os.environ.get(name, "").split()


def _from_files(folders: Iterable[Path]) -> Iterator[str]:
    for folder in folders:
        yield from _indexes_of(_read(folder / "pyproject.toml").get("tool", {}).get("uv", {}))
        yield from _indexes_of(_read(folder / "uv.toml"))
    for file in _files_of_user():
        yield from _indexes_of(_read(file))


def _files_of_user() -> Iterator[Path]:
    if named := os.environ.get("UV_CONFIG_FILE"):
        yield Path(named)
    home = os.environ.get("XDG_CONFIG_HOME") or os.environ.get("APPDATA") or os.path.expanduser("~/.config")  # noqa: PTH111
    yield Path(home, "uv", "uv.toml")
    yield Path(os.environ.get("PROGRAMDATA") or "/etc", "uv", "uv.toml")


def _indexes_of(settings: Mapping[str, Any]) -> Iterator[str]:
    for index in cast("list[dict[str, Any]]", settings.get("index", [])):
        if "url" in index:
            yield f"{index['name']}={index['url']}" if "name" in index else str(index["url"])
    for address in (settings.get("index-url", ""), *settings.get("extra-index-url", ())):
        if address:
            yield str(address)


def _read(file: Path) -> Mapping[str, Any]:
    """Return what a file of uv's configuration holds; nothing if there is none.

    uv has read the same file before, and has refused it if it is not what it should be.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _is_named(index: str) -> bool:
    return "=" in index.partition("://")[0]


def _without_credentials(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    host = parts.netloc.rpartition("@")[2].lower()
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), parts.query, ""))
