"""How an attempt of a task ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloacina.store.records import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping


class Outcome(NamedTuple):
    """How an attempt ended.

    Attributes:
        status: Completed, Failed or Cancelled.
        changes: What a completed one changed in its context; None marks a deletion.
        error: What a failed one raised.
        is_last: Whether it was decided already that no other attempt follows.
    """

    status: TaskStatus
    changes: Mapping[str, str | None] | None = None
    error: BaseException | None = None
    is_last: bool = False


CANCELLED = Outcome(TaskStatus.CANCELLED)
"""The outcome of every attempt that was cancelled."""
