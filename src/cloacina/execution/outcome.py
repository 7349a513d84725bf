"""How an attempt of a task ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloacina.store.records import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloacina.store.records import ErrorRecord


class Outcome(NamedTuple):
    """How an attempt ended.

    Attributes:
        status: Completed, Failed or Cancelled.
        changes: What a completed one changed in its context; None marks a deletion.
        changes_json: The same as the store keeps it; None when nothing was changed.
        error: What a failed one raised.
        delay: After how many seconds another attempt follows a failed one; None when none does.
    """

    status: TaskStatus
    changes: Mapping[str, str | None] | None = None
    changes_json: str | None = None
    error: ErrorRecord | None = None
    delay: float | None = None


CANCELLED = Outcome(TaskStatus.CANCELLED)
"""The outcome of every attempt that was cancelled."""
