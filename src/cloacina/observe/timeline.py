"""Who held which slot when, and who waited: read from an execution's events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from cloacina.store.records import EventRecord, EventType

if TYPE_CHECKING:
    from collections.abc import Iterable

_FINAL = frozenset(
    {
        EventType.TASK_RETRYING,
        EventType.TASK_COMPLETED,
        EventType.TASK_FAILED,
        EventType.TASK_SKIPPED,
        EventType.TASK_CANCELLED,
    }
)


class StretchKind(StrEnum):
    """What a task did in a stretch of time."""

    HELD = "held"
    """It held a slot."""
    WAITED = "waited"
    """It held no slot, and its condition was not met."""
    QUEUED = "queued"
    """It held no slot; its condition was met, and it queued for a slot to go on."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of time in which a task held a slot, waited or queued."""

    task_id: str
    """The task."""
    kind: StretchKind
    """What it did."""
    slot: int | None
    """The number of the slot that it held; None when it held none."""
    start: float
    """When the stretch began, in seconds since the first event."""
    end: float
    """When it ended, in seconds since the first event."""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.end - self.start


_OPENED_BY = {
    EventType.TASK_STARTED: StretchKind.HELD,
    EventType.TASK_RESUMED: StretchKind.HELD,
    EventType.TASK_DEFERRED: StretchKind.WAITED,
    EventType.TASK_RESUMING: StretchKind.QUEUED,
    EventType.TASK_RECOVERED: StretchKind.QUEUED,
}


def read_stretches(events: Iterable[EventRecord]) -> list[Stretch]:
    """Return who held which slot when, and who waited, in the order in which the stretches began.

    What has not ended yet ends with the last event. A slot that the thread of a timed-out attempt keeps is held by its
    task until the thread ends.

    Args:
        events: The events of one execution, as `runner.events(execution_id)` returns them.

    Returns:
        The stretches; empty when no task has started.
    """
    ordered = list(events)
    if not ordered:
        return []
    begin = min(event.at for event in ordered)
    stretches: list[Stretch] = []
    current: dict[str, tuple[StretchKind, int | None, float]] = {}
    kept: dict[tuple[str, int | None], float] = {}

    def close(task_id: str, at: float) -> None:
        if task_id in current:
            kind, slot, start = current.pop(task_id)
            stretches.append(Stretch(task_id, kind, slot, start, max(start, at)))

    for event in ordered:
        if event.task_id is None:
            continue
        at = (event.at - begin).total_seconds()
        if event.type in _OPENED_BY:
            close(event.task_id, at)
            kind = _OPENED_BY[event.type]
            current[event.task_id] = (kind, event.slot if kind is StretchKind.HELD else None, at)
        elif event.type in _FINAL:
            close(event.task_id, at)
        elif event.type is EventType.SLOT_KEPT:
            kept[event.task_id, event.slot] = at
        elif event.type is EventType.SLOT_FREED and (event.task_id, event.slot) in kept:
            start = kept.pop((event.task_id, event.slot))
            stretches.append(Stretch(event.task_id, StretchKind.HELD, event.slot, start, max(start, at)))
    last = (max(event.at for event in ordered) - begin).total_seconds()
    for task_id in list(current):
        close(task_id, last)
    stretches += [Stretch(task_id, StretchKind.HELD, slot, start, last) for (task_id, slot), start in kept.items()]
    return _with_one_holder_a_slot(sorted(stretches, key=lambda stretch: (stretch.start, stretch.end)))


def _with_one_holder_a_slot(stretches: list[Stretch]) -> list[Stretch]:
    """End each stretch in a slot where the next one begins: its own end is stored a moment after the slot went on."""
    next_start: dict[int, float] = {}
    exclusive: list[Stretch] = []
    for stretch in reversed(stretches):
        if stretch.slot is None:
            exclusive.append(stretch)
            continue
        end = min(stretch.end, next_start.get(stretch.slot, stretch.end))
        next_start[stretch.slot] = stretch.start
        exclusive.append(replace(stretch, end=end))
    return exclusive[::-1]
