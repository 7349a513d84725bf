"""How messages speak of waits."""

from __future__ import annotations

import reprlib
from datetime import datetime
from typing import TYPE_CHECKING

from cloacina.execution.waiting.answers import NoAnswer
from cloacina.membrane import describe, name_of, short_name, shown

if TYPE_CHECKING:
    from cloacina.handle import Condition


def failure_of(condition: Condition, error: BaseException, in_a_row: int) -> str:
    """Return the message of a wait that failed because of its condition."""
    what = str(error) if type(error) is NoAnswer else f"raised {describe(error)}"
    last = f", the last of {in_a_row} errors in a row" if in_a_row > 1 else ""
    return f"the condition {name_of(condition)} {what}{last}"


def limit_of(limit: float | datetime) -> str:
    """Return until when a wait may take: `within 3 s`, `by 2026-01-01 12:00:00+00:00`."""
    return f"by {limit}" if isinstance(limit, datetime) else f"within {limit:g} s"


def given(found: object) -> str:
    """Return something that was given in place of a condition, in a few words."""
    try:
        return shown(reprlib.repr(found))
    except BaseException:  # noqa: BLE001 - it must not hide that it was refused
        return f"an object of {short_name(type(found))}"


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 poll`, `2 polls`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
