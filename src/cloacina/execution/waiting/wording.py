"""How messages speak of conditions and of what they raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloacina.errors import CloacinaError

if TYPE_CHECKING:
    from cloacina.handle import Condition


def describe(error: BaseException) -> str:
    """Return an exception as one line."""
    text = error.message if isinstance(error, CloacinaError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def name_of(condition: Condition) -> str:
    """Return the name of a condition."""
    return getattr(condition, "__qualname__", None) or repr(condition)
