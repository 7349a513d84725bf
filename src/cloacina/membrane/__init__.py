"""The membrane between the engine and what is not the engine's: exceptions, conditions and log handlers of others.

Showing an exception, its traceback or a condition runs code of whoever made it, and so does every handler of a log
line: it may raise, lie, never come to an end of its causes, or have a hundred megabytes to say. What passes through
here never raises, and is text that is bounded, and that every database, file and terminal can hold.
"""

from __future__ import annotations

from cloacina.membrane.log import Log
from cloacina.membrane.tracebacks import traceback_of
from cloacina.membrane.words import (
    LONGEST_LINE,
    LONGEST_MESSAGE,
    describe,
    leaves_of,
    name_of,
    short_name,
    shown,
    text_of,
    type_name,
)

__all__ = [
    "LONGEST_LINE",
    "LONGEST_MESSAGE",
    "Log",
    "describe",
    "leaves_of",
    "name_of",
    "short_name",
    "shown",
    "text_of",
    "traceback_of",
    "type_name",
]
