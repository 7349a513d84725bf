"""The reference of the events, written from the enumeration and the text below each of its members."""

from __future__ import annotations

from pathlib import Path

import griffe

import cloacina
from cloacina.store.records import EventType
from docsite.generated.tables import table


def event_reference(_docs: Path) -> str:
    """Return every type of event with what it tells of, as Markdown."""
    source = Path(cloacina.__file__).parents[1]
    module = griffe.load(EventType.__module__, search_paths=[source], allow_inspection=False)
    members = module[EventType.__qualname__].members
    rows = []
    for event in EventType:
        docstring = members[event.name].docstring
        rows.append((f"`{event.value}`", docstring.value if docstring is not None else ""))
    return table(("Type", "Tells that"), rows)
