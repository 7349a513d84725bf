"""The errors by their codes, and names as messages show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloacina.errors.base import CloacinaError
from cloacina.errors.handle import TaskCancelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PUBLIC_MODULE = "cloacina.errors"


def error_classes() -> Iterator[type[CloacinaError | TaskCancelled]]:
    """Yield every public error class, base classes before what derives from them."""
    pending: list[type[CloacinaError]] = [CloacinaError]
    while pending:
        kind = pending.pop(0)
        yield kind
        # Other people's subclasses inherit a code that is not theirs.
        pending.extend(child for child in kind.__subclasses__() if child.__module__ == _PUBLIC_MODULE)
    yield TaskCancelled


def errors_by_code() -> Mapping[str, type[CloacinaError | TaskCancelled]]:
    """Return every public error class by its code, in the order of the codes."""
    return {kind.code: kind for kind in sorted(error_classes(), key=lambda kind: kind.code)}


def join_names(names: Sequence[str]) -> str:
    """Return names in quotes with commas, for a message: `'a', 'b'`; `none` when there are none."""
    return ", ".join(repr(name) for name in names) or "none"
