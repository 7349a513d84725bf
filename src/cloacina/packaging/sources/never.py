"""What is never packed, whatever a project includes: what machines write, and what must stay secret."""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

_COMPILED: Final = "compiled by Python"
_VERSION_CONTROL: Final = "kept by the version control"
_CACHE: Final = "a tool's cache"
_INSTALLED: Final = "written by an installer"
_ENVIRONMENT: Final = "a virtual environment"
_CONFIDENTIAL: Final = "may hold secrets"
_PRIVATE_KEY: Final = "a private key"
_DESKTOP: Final = "written by a desktop or an editor"

_FOLDERS: Final = {
    "__pycache__": _COMPILED,
    ".git": _VERSION_CONTROL,
    ".hg": _VERSION_CONTROL,
    ".jj": _VERSION_CONTROL,
    ".svn": _VERSION_CONTROL,
    ".venv": _ENVIRONMENT,
    ".tox": _ENVIRONMENT,
    ".nox": _ENVIRONMENT,
    "node_modules": _INSTALLED,
    ".eggs": _INSTALLED,
    "*.egg-info": _INSTALLED,
    "*.dist-info": _INSTALLED,
    ".hypothesis": _CACHE,
    ".ipynb_checkpoints": _CACHE,
    ".mypy_cache": _CACHE,
    ".pytest_cache": _CACHE,
    ".ruff_cache": _CACHE,
    ".env*": _CONFIDENTIAL,
    ".aws": _CONFIDENTIAL,
    ".azure": _CONFIDENTIAL,
    ".docker": _CONFIDENTIAL,
    ".gnupg": _CONFIDENTIAL,
    ".kube": _CONFIDENTIAL,
    ".ssh": _CONFIDENTIAL,
    ".terraform": _CACHE,
}
_FILES: Final = {
    "*.pyc": _COMPILED,
    "*.pyo": _COMPILED,
    ".git": _VERSION_CONTROL,  # the pointer in a submodule or a linked work tree
    ".env*": _CONFIDENTIAL,
    "*.env": _CONFIDENTIAL,
    # Where programs keep the passwords and tokens with which they log in.
    ".boto": _CONFIDENTIAL,
    ".dockercfg": _CONFIDENTIAL,
    ".git-credentials": _CONFIDENTIAL,
    ".htpasswd": _CONFIDENTIAL,
    ".my.cnf": _CONFIDENTIAL,
    ".netrc": _CONFIDENTIAL,
    "_netrc": _CONFIDENTIAL,
    ".npmrc": _CONFIDENTIAL,
    ".pgpass": _CONFIDENTIAL,
    ".pypirc": _CONFIDENTIAL,
    ".s3cfg": _CONFIDENTIAL,
    ".vault-token": _CONFIDENTIAL,
    ".yarnrc.yml": _CONFIDENTIAL,
    "pip.conf": _CONFIDENTIAL,
    "pip.ini": _CONFIDENTIAL,
    "*.kdbx": _CONFIDENTIAL,
    "*.tfstate": _CONFIDENTIAL,
    "*.tfstate.backup": _CONFIDENTIAL,
    ".*_history": _CONFIDENTIAL,
    "id_rsa": _PRIVATE_KEY,
    "id_dsa": _PRIVATE_KEY,
    "id_ecdsa": _PRIVATE_KEY,
    "id_ecdsa_sk": _PRIVATE_KEY,
    "id_ed25519": _PRIVATE_KEY,
    "id_ed25519_sk": _PRIVATE_KEY,
    "*.jks": _PRIVATE_KEY,
    "*.p12": _PRIVATE_KEY,
    "*.pfx": _PRIVATE_KEY,
    "*.ppk": _PRIVATE_KEY,
    "uv.lock": "a package carries locks of its own",
    "*.cloacina": "a package itself",
    ".ds_store": _DESKTOP,
    "thumbs.db": _DESKTOP,
    "desktop.ini": _DESKTOP,
    ".#*": _DESKTOP,
    "*.swp": _DESKTOP,
    "*~": _DESKTOP,
}
_KEY_FILES: Final = (".pem", ".key", ".crt", ".cer")
_KEY: Final = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|AGE-SECRET-KEY-1")
# What clouds hand out for a program to log in with.
_KEY_IN_JSON: Final = re.compile(rb'"private_?key"\s*:\s*"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----', re.IGNORECASE)

HEAD: Final = 65_536
"""How many bytes of a file `reason_by_content` looks at."""


def reason_by_name(name: str, *, is_folder: bool) -> str | None:
    """Return why a file or a folder of this name is never packed, or None."""
    folded = name.lower()
    rules = _FOLDERS if is_folder else _FILES
    if reason := rules.get(folded):
        return reason
    return next((reason for pattern, reason in rules.items() if "*" in pattern and fnmatchcase(folded, pattern)), None)


def reason_by_entries(names: Collection[str]) -> str | None:
    """Return why a folder that holds these names is never packed, or None."""
    if "pyvenv.cfg" in names or "conda-meta" in names:
        return _ENVIRONMENT
    # https://bford.info/cachedir/ is what caches and environments are marked with, Rust's `target` among them.
    return _CACHE if "CACHEDIR.TAG" in names else None


def reason_by_content(name: str, head: bytes) -> str | None:
    """Return why a file that begins with these bytes is never packed, or None.

    A private key is the whole of its file, part of a file of certificates, or a value in a file of credentials. In
    other files, such as a program that looks for keys, the words alone mean nothing.
    """
    folded = name.lower()
    if folded.endswith(_KEY_FILES):
        is_key = _KEY.search(head)
    elif folded.endswith(".json"):
        is_key = _KEY_IN_JSON.search(head)
    else:
        is_key = _KEY.match(head.removeprefix(BOM_UTF8).lstrip())
    return _PRIVATE_KEY if is_key else None
