"""Whose body code runs in: that of the body itself, and of all it starts with its context variables."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING
from weakref import ref

if TYPE_CHECKING:
    from cloacina.execution.attempt import Attempt

# Weak: context variables live as long as whatever the body has started, such as another execution.
_attempt: ContextVar[ref[Attempt] | None] = ContextVar("cloacina_attempt", default=None)


def begin(attempt: Attempt) -> None:
    """Take what runs from now on, with these context variables, for the body of an attempt."""
    _attempt.set(ref(attempt))


def current_attempt() -> Attempt | None:
    """Return the attempt whose body the caller is in; None outside of bodies."""
    found = _attempt.get()
    return None if found is None else found()
