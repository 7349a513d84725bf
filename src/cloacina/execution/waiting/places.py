"""The places for threads that are parked in a wait: there are only so many.

A task takes a place before it gives its slot back, and leaves it when it has a slot again. So one that holds a slot and
wants a place could wait for ever for one that holds a place and wants a slot. Those two exchange what they have: the
first parks in the other's place, and the other is the next to get a slot.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from cloacina.execution.bodies import Bodies
    from cloacina.execution.event_loop import EventLoop, OneShot
    from cloacina.execution.slots import SlotPool, SlotToken


class Places:
    """A fixed number of places; all of it on the event loop's thread.

    Args:
        capacity: How many there are, at least 1.
        slots: What those queue for who leave.
        bodies: Told that a body rests while it wants a place.
        loop: The event loop.
    """

    def __init__(self, capacity: int, slots: SlotPool, bodies: Bodies, loop: EventLoop) -> None:
        self._free = capacity
        self._slots = slots
        self._bodies = bodies
        self._loop = loop
        self._taken: set[SlotToken] = set()
        self._leaving: OrderedDict[SlotToken, None] = OrderedDict()
        self._wanting: OrderedDict[SlotToken, OneShot[None]] = OrderedDict()

    def place_of(self, token: SlotToken) -> Place:
        """Return what the task with this token enters for the time of a wait."""
        return Place(self, token)

    async def take(self, token: SlotToken) -> None:
        """Wait for a place, the slot still held."""
        if self._free:
            self._free -= 1
            self._taken.add(token)
        elif self._leaving:
            leaving, _ = self._leaving.popitem(last=False)
            self._exchange(leaving, token)
        else:
            self._wanting[token] = given = self._loop.one_shot()
            self._bodies.rest()
            try:
                await given
            except BaseException:
                if self._wanting.pop(token, None) is not None:
                    self._bodies.go_on()
                self.leave(token)
                raise

    def is_leaving(self, token: SlotToken) -> None:
        """Take note that a task queues for a slot, to leave its place with it; nothing when it has no place."""
        if token not in self._taken:
            return
        wanting = self._next_wanting()
        if wanting is None:
            self._leaving[token] = None
        else:
            self._exchange(token, wanting)

    def leave(self, token: SlotToken) -> None:
        """Give a place to the next who wants one; nothing when it was exchanged for a slot."""
        self._leaving.pop(token, None)
        if token in self._taken:
            self._taken.remove(token)
            wanting = self._next_wanting()
            if wanting is None:
                self._free += 1
            else:
                self._taken.add(wanting)

    def _exchange(self, leaving: SlotToken, wanting: SlotToken) -> None:
        self._taken.remove(leaving)
        self._taken.add(wanting)
        self._slots.hasten(leaving)

    def _next_wanting(self) -> SlotToken | None:
        """Take the first who was not cancelled meanwhile out of the queue, and wake it."""
        while self._wanting:
            token, given = self._wanting.popitem(last=False)
            self._bodies.go_on()
            if not given.done():
                given.set_result(None)
                return token
        return None


class Place:
    """One task's place: taken on entering, left on leaving."""

    __slots__ = ("_places", "_token")

    def __init__(self, places: Places, token: SlotToken) -> None:
        self._places = places
        self._token = token

    async def __aenter__(self) -> None:
        await self._places.take(self._token)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._places.leave(self._token)
