"""The reference is complete: every error code has the entry that its message links to, every public name has one."""

from __future__ import annotations

import importlib
import importlib.util
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloacina.errors import documentation_url, errors_by_code

if TYPE_CHECKING:
    from pathlib import Path

# Modules whose `__all__` is a promise to users. One that a later version brings is checked from then on.
PUBLIC_MODULES = ("cloacina", "cloacina.observe", "cloacina.packaging", "cloacina.testing")

_ID = re.compile(r'\bid="([^"]+)"')


def check_error_entries(site: Path) -> list[str]:
    """Return the error codes whose entry is not where the messages of errors say that it is."""
    defects = []
    for code, kind in errors_by_code().items():
        address = urlsplit(documentation_url(code))
        page = site / address.path.strip("/") / "index.html"
        if not page.exists() or address.fragment not in _ids(page):
            defects.append(f"{code} ({kind.__name__}) has no entry at {address.path}#{address.fragment}")
    return defects


def check_public_names(site: Path) -> list[str]:
    """Return the public names that no page of the reference documents."""
    documented = {name for page in (site / "reference").rglob("*.html") for name in _ids(page)}
    return [
        f"{module_name}.{name} is public, but no page of the reference documents it"
        for module_name in PUBLIC_MODULES
        if importlib.util.find_spec(module_name) is not None
        for name in importlib.import_module(module_name).__all__
        if not documented.intersection(_addresses(module_name, name))
    ]


def _ids(page: Path) -> set[str]:
    return set(_ID.findall(page.read_text(encoding="utf-8")))


def _addresses(module_name: str, name: str) -> set[str]:
    """Return the ids under which a name may be documented: where it is imported from, or where it is defined."""
    found = getattr(importlib.import_module(module_name), name)
    addresses = {f"{module_name}.{name}"}
    if home := getattr(found, "__module__", None):
        addresses.add(f"{home}.{getattr(found, '__qualname__', name)}")
    return addresses
