"""Runs of the engine that were recorded for the pages which draw them.

`angreal docs record` runs the two programs of `waiting.py` and writes what happened to `waiting.json`. The build draws
the file, so that a page shows a real run, and the same one in every build.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloacina import EventRecord
from cloacina.store.records import EventType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RECORDING = Path(__file__).with_name("waiting.json")
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def to_rows(events: Sequence[EventRecord]) -> list[list[Any]]:
    """Return of each event what a drawing needs: milliseconds since the first one, the task, the type and the slot."""
    begin = min(event.at for event in events)
    return [
        [round((event.at - begin) / timedelta(milliseconds=1)), event.task_id, event.type.value, event.slot]
        for event in events
    ]


def from_rows(rows: Iterable[Sequence[Any]]) -> list[EventRecord]:
    """Return the events that `to_rows` was given, as far as it kept them."""
    return [
        EventRecord("recorded", number, task, task, EventType(kind), _BEGIN + timedelta(milliseconds=at), 1, slot, None)
        for number, (at, task, kind, slot) in enumerate(rows, 1)
    ]


def recorded(name: str) -> list[EventRecord]:
    """Return the events of a recorded run: `sleeping` or `deferring`."""
    return from_rows(json.loads(RECORDING.read_text(encoding="utf-8"))[name])
