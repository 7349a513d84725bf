"""JSON on standard output."""

from __future__ import annotations

import dataclasses
import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def print_json(document: object) -> None:
    """Print JSON, with the characters that standard output can hold as they are."""
    is_unicode = sys.stdout.encoding.lower().startswith("utf")
    print(json.dumps(document, indent=2, ensure_ascii=not is_unicode))


def record_document(record: DataclassInstance) -> dict[str, Any]:
    """Return a record as a JSON object, its moments in ISO 8601."""
    values = dataclasses.asdict(record)
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
