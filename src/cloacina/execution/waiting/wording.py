"""How messages speak of waits."""

from __future__ import annotations

from datetime import datetime


def limit_of(limit: float | datetime) -> str:
    """Return until when a wait may take: `within 3 s`, `by 2026-01-01 12:00:00+00:00`."""
    return f"by {limit}" if isinstance(limit, datetime) else f"within {limit:g} s"


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 poll`, `2 polls`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
