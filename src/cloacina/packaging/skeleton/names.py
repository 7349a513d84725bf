"""Whether a name can be that of a project, and of its module."""

from __future__ import annotations

import keyword
import re
from typing import Final

from cloacina.errors import InvalidName
from cloacina.packaging.archive.standard_library import standard_library_names
from cloacina.packaging.targets import PYTHONS

_NAME: Final = re.compile(r"[A-Za-z]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_LONGEST: Final = 64  # characters; the name comes back in the paths of its files
_SEPARATORS: Final = re.compile(r"[-_.]+")
_STANDARD_LIBRARY: Final = frozenset[str]().union(
    *(standard_library_names((3, int(python.partition(".")[2]))) for python in PYTHONS)
)
# What the project itself is made of or depends on.
_TAKEN: Final = {
    "cloacina": "the name of Cloacina itself",
    "pytest": "the name of the library that its tests are run with",
    "src": "the name of the folder that its modules are in",
    "test": "the name of a folder of tests",
    "tests": "the name of the folder that its tests are in",
}


def module_name(name: str) -> str:
    """Return the name of a project's module: `sales_report` for `sales-report`.

    Args:
        name: The project's name.

    Raises:
        InvalidName: It cannot be the name of a project, or its module would hide another one.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise InvalidName(
            f"{name!r} cannot be the name of a project. Expected a letter, then letters, digits, `-`, `_` and `.`, the"
            f" last a letter or digit, up to {_LONGEST} of them, such as {_proposal(name)!r}."
        )
    module = _SEPARATORS.sub("_", name).lower()
    reason = _TAKEN.get(module)
    if keyword.iskeyword(module):
        reason = "a keyword of Python"
    elif module in _STANDARD_LIBRARY:
        reason = "the name of a module of the standard library, which it would hide"
    if reason is not None:
        raise InvalidName(
            f"{name!r} cannot be the name of a project: {module} is {reason}. Choose another one, such as"
            f" {f'my-{name}'!r}."
        )
    return module


def _proposal(name: str) -> str:
    """Return a usable name that is near to one that is not."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._").lstrip("0123456789-._")[:_LONGEST].rstrip("-._")
    return plain or "sales-report"
