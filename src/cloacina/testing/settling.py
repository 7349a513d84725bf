"""Letting everything on an event loop that can go on by itself do so, before virtual time moves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from cloacina.execution.asyncio_loop import AsyncioLoop

if TYPE_CHECKING:
    from collections.abc import Sized

    import trio

    from cloacina.execution.event_loop import EventLoop

_MOST_TURNS = 500
_TURNS_UNSEEN = 25


async def settle(loop: EventLoop) -> None:
    """Return when nothing else is ready to run on this loop.

    A test's own task may have a few steps to go before it waits for something; time must not move under it. How long
    this takes is bounded, because a task that looks again and again, `await anyio.sleep(0)`, may look for what time
    brings.
    """
    if isinstance(loop, AsyncioLoop):
        await _settle_asyncio()
    else:
        await _settle_trio()


async def _settle_asyncio() -> None:
    # asyncio has no public way to ask whether anything else is ready. Its own loops hold that in `_ready`, which is
    # empty while a callback runs alone; loops that don't, such as uvloop, are given a fixed number of turns.
    ready: Sized | None = getattr(asyncio.get_running_loop(), "_ready", None)
    for _ in range(_TURNS_UNSEEN if ready is None else _MOST_TURNS):
        await asyncio.sleep(0)
        if ready is not None and not ready:
            return


async def _settle_trio() -> None:
    # `wait_all_tasks_blocked` could only be bounded by time, of which a busy machine needs more.
    import trio  # noqa: PLC0415 - an optional dependency, loaded when its loop runs

    others = _OtherTasks(trio.lowlevel.current_task())
    instrument = cast("trio.abc.Instrument", others)
    trio.lowlevel.add_instrument(instrument)
    quiet_turns = 0
    try:
        for _ in range(_MOST_TURNS):
            others.have_run = False
            await trio.lowlevel.checkpoint()
            # The tasks of one turn run in any order: what is ready may come after this one, but not twice.
            quiet_turns = 0 if others.have_run else quiet_turns + 1
            if quiet_turns == 2:  # noqa: PLR2004 - twice, as said
                return
    finally:
        trio.lowlevel.remove_instrument(instrument)


class _OtherTasks:
    """An instrument of trio's that notices whether any other task runs."""

    def __init__(self, own: object) -> None:
        self._own = own
        self.have_run = False

    def before_task_step(self, task: object) -> None:
        """Notice that a task runs."""
        if task is not self._own:
            self.have_run = True
