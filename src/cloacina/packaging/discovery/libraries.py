"""What modules other than the project's hold, as far as declarations of tasks need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import cloacina
from cloacina.packaging.discovery.values import Constant, Known, LibraryModule, Retry, Unknown, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TASK: Final[Mapping[str, Value]] = {"task": Known.TASK, "RetryPolicy": Known.RETRY_POLICY}
_RETRY: Final[Mapping[str, Value]] = {"RetryPolicy": Known.RETRY_POLICY, "NO_RETRY": Retry(1)}
_TYPING: Final[Mapping[str, Value]] = {"TYPE_CHECKING": Constant(value=False)}

UNDERSTOOD: Final[Mapping[str, Mapping[str, Value]]] = {
    # `cloacina.task` is the decorator, because the package binds that name over its own module's.
    "cloacina": {**_TASK, "Workflow": Known.WORKFLOW},
    "cloacina.task": _TASK,
    "cloacina.retry": _RETRY,
    "cloacina.workflow": {"Workflow": Known.WORKFLOW},
    "datetime": {"timedelta": Known.TIMEDELTA},
    "typing": _TYPING,
    "typing_extensions": _TYPING,
}
"""The names that are understood, by module."""

_MODULES: Final = frozenset({"cloacina.retry", "cloacina.workflow"})


def attribute(module: LibraryModule, name: str) -> Value:
    """Return what `module.name` is."""
    known = UNDERSTOOD.get(module.name, {}).get(name)
    if known is not None:
        return known
    full_name = f"{module.name}.{name}"
    if full_name in _MODULES:
        return LibraryModule(full_name)
    return Unknown(f"`{name}` comes from {module.name}")


def member(module: str, name: str) -> Value:
    """Return what `from module import name` binds."""
    return attribute(LibraryModule(module), name)


def module_value(name: str) -> Value:
    """Return what `import name as alias` binds: the attribute of the module above, as Python does it."""
    first, *others = name.split(".")
    value: Value = LibraryModule(first)
    for other in others:
        if not isinstance(value, LibraryModule):
            return Unknown(f"`{name}` is no module")
        known = attribute(value, other)
        value = LibraryModule(f"{value.name}.{other}") if isinstance(known, Unknown) else known
    return value


def public_names(module: str) -> Iterable[str] | None:
    """Return the names that `from module import *` binds; None when they are not known."""
    return cloacina.__all__ if module == "cloacina" else None
