"""Letting everything on an event loop that can go on by itself do so, before virtual time moves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cloacina.execution.asyncio_loop import AsyncioLoop

if TYPE_CHECKING:
    from collections.abc import Sized

    from cloacina.execution.event_loop import EventLoop

_MOST_TURNS = 500
_TURNS_UNSEEN = 25
_PATIENCE_SECONDS = 0.2


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
    import trio  # noqa: PLC0415 - an optional dependency, loaded when its loop runs
    import trio.testing  # noqa: PLC0415 - as above

    with trio.move_on_after(_PATIENCE_SECONDS):
        await trio.testing.wait_all_tasks_blocked()
