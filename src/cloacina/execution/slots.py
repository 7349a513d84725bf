"""Slots: the right to run, and the queue for it.

There is one queue for new tasks and for tasks that come back from a wait: first come, first served. A place in it dates
from the moment a task became ready, or its condition was met.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from threading import get_ident
from typing import TYPE_CHECKING, Protocol

from cloacina.errors import ConcurrentWait, InvalidOption
from cloacina.execution.event_loop import EventLoop

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloacina.execution.event_loop import OneShot


class Claimant(Protocol):
    """Who queues for a slot."""

    def slot_granted(self) -> None:
        """Go on: the token that was queued holds a slot. Called once, on the loop's thread."""
        ...


class SlotPool:
    """A fixed number of slots, and the queue of those who want one.

    Everything but losing a token happens on the event loop's thread.

    Args:
        capacity: How many slots there are, at least 1.

    Raises:
        InvalidOption: If `capacity` is not a whole number of at least 1.

    Example:
        ```python
        import anyio
        from cloacina import SlotPool

        async def main():
            pool = SlotPool(2)
            token = await pool.acquire()
            assert pool.available == 1
            token.release()
            assert pool.available == 2

        anyio.run(main)
        ```
    """

    def __init__(self, capacity: int, *, loop: EventLoop | None = None) -> None:
        if isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
            message = f"a pool needs a whole number of slots, at least 1; got {capacity!r}"
            raise InvalidOption(message)
        self._capacity = capacity
        # Free are those that came back, in a heap, and all from `_unused` on: so a pool of any size is small.
        self._returned: list[int] = []
        self._unused = 0
        self._queue: OrderedDict[SlotToken, Claimant] = OrderedDict()
        self._lost: deque[int] = deque()
        self._loop = loop
        self._is_loop_given = loop is not None
        # 0 for a pool that was made without a loop: then whoever gives a slot back is where it belongs.
        self._thread = 0 if loop is None else loop.thread

    @property
    def capacity(self) -> int:
        """How many slots there are."""
        return self._capacity

    @property
    def available(self) -> int:
        """How many slots nobody holds."""
        self._collect_lost()
        return self._capacity - self._unused + len(self._returned)

    @property
    def queued(self) -> int:
        """How many tokens are waiting for a slot."""
        return len(self._queue)

    async def acquire(self) -> SlotToken:
        """Wait for a slot in turn, and return the hold on it.

        Returns:
            A token that holds a slot.
        """
        token = SlotToken(self)
        await token.reclaim()
        return token

    def claim(self, token: SlotToken, claimant: Claimant) -> None:
        """Queue a token for a slot.

        Args:
            token: A token that neither holds a slot nor is queued.
            claimant: Told when the token holds one: at once if one is free.
        """
        if self._lost:
            self._collect_lost()
        # A slot is free only while nobody queues. The lowest free number goes first.
        if self._returned:
            token._slot = heapq.heappop(self._returned)  # noqa: SLF001 - the pool and its tokens are one thing
            claimant.slot_granted()
        elif self._unused < self._capacity:
            token._slot = self._unused  # noqa: SLF001 - as above
            self._unused += 1
            claimant.slot_granted()
        else:
            self._queue[token] = claimant

    def withdraw(self, token: SlotToken) -> bool:
        """Take a token out of the queue.

        Returns:
            False when it was not queued.
        """
        return self._queue.pop(token, None) is not None

    def hasten(self, token: SlotToken) -> None:
        """Let a queued token be the next; nothing when it is not queued."""
        if token in self._queue:
            self._queue.move_to_end(token, last=False)

    def is_queued(self, token: SlotToken) -> bool:
        """Return whether a token is waiting for a slot."""
        return token in self._queue

    def stop(self, on_release: Callable[[], None]) -> None:
        """Grant no slot any more, neither a free one nor one that comes back.

        Args:
            on_release: Called when one comes back.
        """
        self._returned.clear()
        self._unused = self._capacity
        # In its place, so that nobody who gives a slot back pays for the question.
        self._free_slot = lambda slot: on_release()  # type: ignore[method-assign]  # noqa: ARG005

    def _free_slot(self, slot: int) -> None:
        if self._queue:
            token, claimant = self._queue.popitem(last=False)
            token._slot = slot  # noqa: SLF001 - as above
            claimant.slot_granted()
        elif slot == self._unused - 1:
            self._unused = slot
        else:
            heapq.heappush(self._returned, slot)

    def _lose_slot(self, slot: int) -> None:
        # Called by the garbage collector, in any thread and between any two instructions, so it touches nothing but a
        # deque and the loop's inbox.
        self._lost.append(slot)
        if self._loop is not None:
            self._loop.post(self._collect_lost)

    def _collect_lost(self) -> None:
        while self._lost:
            self._free_slot(self._lost.popleft())

    def _running_loop(self) -> EventLoop:
        # A pool that was made without a loop may be used on one after another.
        if self._loop is None or not self._is_loop_given:
            self._loop = EventLoop.current()
        elif not self._loop.is_current():
            raise self._loop.elsewhere()
        return self._loop


class SlotToken:
    """One task's hold on a slot of a pool: given back, taken again, and given back by itself when it is lost."""

    __slots__ = ("__weakref__", "_pool", "_slot")

    def __init__(self, pool: SlotPool) -> None:
        self._pool = pool
        self._slot: int | None = None

    def __repr__(self) -> str:
        return f"<SlotToken slot={self._slot}>" if self.is_held() else "<SlotToken released>"

    @property
    def slot(self) -> int | None:
        """The number of the slot held, from 0; None when none is."""
        return self._slot

    def is_held(self) -> bool:
        """Return whether this token holds a slot."""
        return self._slot is not None

    def release(self) -> bool:
        """Give the slot back, to the first in the queue. From another thread, that happens soon.

        Returns:
            False when no slot was held: nothing happened.
        """
        if self._slot is None:
            return False
        slot, self._slot = self._slot, None
        pool = self._pool
        if pool._thread in (0, get_ident()):  # noqa: SLF001 - the pool and its tokens are one thing
            pool._free_slot(slot)  # noqa: SLF001 - as above
        else:
            pool._lose_slot(slot)  # noqa: SLF001 - as above
        return True

    async def reclaim(self) -> None:
        """Wait in the queue until this token holds a slot again; nothing when it does.

        Cancelled, it leaves the queue, and gives back a slot that was granted at the same moment.

        Raises:
            ConcurrentWait: If this token is queued already.
            WrongEventLoop: If it is a runner's, and the caller on another event loop.
        """
        if self._slot is not None:
            return
        if self._pool.is_queued(self):
            message = "this token is waiting for its slot already; a token can be reclaimed by one task at a time"
            raise ConcurrentWait(message)
        claim = _Claim(self._pool._running_loop().one_shot())  # noqa: SLF001 - as above
        self._pool.claim(self, claim)
        try:
            await claim.granted
        except BaseException:
            if not self._pool.withdraw(self):
                self.release()
            raise

    def __del__(self) -> None:
        if self._slot is not None:
            self._pool._lose_slot(self._slot)  # noqa: SLF001 - as above


class _Claim:
    """A task that awaits its slot."""

    __slots__ = ("granted",)

    def __init__(self, granted: OneShot[None]) -> None:
        self.granted = granted

    def slot_granted(self) -> None:
        if not self.granted.done():
            self.granted.set_result(None)
