"""Time-ordered ids."""

from __future__ import annotations

import os
import threading
import time
from random import Random
from typing import Final
from uuid import UUID

# Not os.urandom: it lets go of the interpreter's lock, which costs 16 µs an id while another thread wants it. Ids are
# no secrets. Seeded by the operating system, untouched by a user's random.seed(), and anew in a forked child.
_random = Random()  # noqa: S311

_STEP: Final = 245
"""Nanoseconds between two ids, rounded up: they are told apart to the 4096th part of a millisecond."""

_VARIANT: Final = 0x2 << 62

_FARTHEST_AHEAD: Final = 100 * 366 * 86_400 * 10**9
"""How many nanoseconds an id that is followed may be ahead of the clock: a device may start in 1970, but an id of the
year 9000 is made up, or leaves no room for others."""

_newest = 0
"""The moment of the newest id, in nanoseconds since the epoch."""

_lock = threading.Lock()


def _begin_anew() -> None:
    global _lock  # noqa: PLW0603 - a thread that the forked child does not have may hold the old one
    _lock = threading.Lock()
    _random.seed()


os.register_at_fork(after_in_child=_begin_anew)


def new_id() -> str:
    """Return a new UUID of version 7 as text.

    The ids of a process sort in the order of their making: after the clock was set back they count on from the newest
    until it has caught up. Those of several processes sort by time, to a quarter of a microsecond. Random ones would
    cost a database index dearly.

    Source: RFC 9562, section 5.7, and method 3 of section 6.2 (a finer clock in the bits that follow the milliseconds).
    """
    global _newest  # noqa: PLW0603 - one order for all threads
    with _lock:
        moment = time.time_ns()
        if moment < _newest + _STEP:  # noqa: PLR1730 - a call of max() takes longer than all of this
            moment = _newest + _STEP
        _newest = moment
    milliseconds, rest = divmod(moment, 1_000_000)
    head, tail = f"{milliseconds:012x}", f"{_VARIANT | _random.getrandbits(62):016x}"
    return f"{head[:8]}-{head[8:]}-7{rest * 4096 // 1_000_000:03x}-{tail[:4]}-{tail[4:]}"


def follow(known: str) -> None:
    """Let all ids made from now on sort behind one that is known, such as the newest in a database.

    Args:
        known: An id. What is no id of version 7, or far ahead of the clock, is not followed.
    """
    global _newest  # noqa: PLW0603 - as above
    try:
        number = UUID(known)
    except ValueError:
        return
    milliseconds, fraction = number.int >> 80, number.int >> 64 & 0xFFF
    moment = milliseconds * 1_000_000 + (fraction + 1) * 1_000_000 // 4096
    if number.version == 7 and moment < time.time_ns() + _FARTHEST_AHEAD:  # noqa: PLR2004 - as above
        with _lock:
            _newest = max(_newest, moment)
