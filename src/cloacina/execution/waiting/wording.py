"""How messages speak of conditions and of exceptions, which are the user's: showing them may raise, too."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from cloacina.errors import CloacinaError

if TYPE_CHECKING:
    from cloacina.handle import Condition


def describe(error: BaseException) -> str:
    """Return an exception as one line."""
    text = text_of(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def text_of(error: BaseException) -> str:
    """Return what an exception says."""
    if isinstance(error, CloacinaError):
        return storable(error.message)
    try:
        return storable(str(error))
    except Exception as failure:  # noqa: BLE001 - it must not hide the exception that is to be told
        return f"<its text cannot be shown: {type(failure).__name__}>"


def storable(text: str) -> str:
    """Return a text without what no database and no file can hold: the bytes of an undecodable file name."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def name_of(condition: Condition) -> str:
    """Return the name of a condition."""
    try:
        return getattr(condition, "__qualname__", None) or repr(condition)
    except Exception:  # noqa: BLE001 - it must not hide what became of the wait
        return type(condition).__name__


def limit_of(limit: float | datetime) -> str:
    """Return until when a wait may take: `within 3 s`, `by 2026-01-01 12:00:00+00:00`."""
    return f"by {limit}" if isinstance(limit, datetime) else f"within {limit:g} s"


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 poll`, `2 polls`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
