"""The places for threads that are parked in a wait: there are only so many.

A task takes a place before it gives its slot back, and leaves it when it has a slot again. So one that holds a slot and
wants a place could wait for ever for one that holds a place and wants a slot. Those two exchange what they have: the
first parks in the other's place, and the other is the next to get a slot.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cloacina.execution.slots import SlotPool, SlotToken


class PlaceClaimant(Protocol):
    """Who wants a place."""

    def place_given(self) -> None:
        """Go on: the token that wanted a place has one. Called once, on the loop's thread."""
        ...


class Places:
    """A fixed number of places; all of it on the event loop's thread.

    Args:
        capacity: How many there are, at least 1.
        slots: What those queue for who leave.
    """

    def __init__(self, capacity: int, slots: SlotPool) -> None:
        self._free = capacity
        self._slots = slots
        self._taken: set[SlotToken] = set()
        self._leaving: OrderedDict[SlotToken, None] = OrderedDict()
        self._wanting: OrderedDict[SlotToken, PlaceClaimant] = OrderedDict()

    def claim(self, token: SlotToken, claimant: PlaceClaimant) -> None:
        """Want a place.

        Args:
            token: A token that holds a slot, and no place.
            claimant: Told when it has one: at once if one is free.
        """
        if self._free:
            self._free -= 1
            self._taken.add(token)
            claimant.place_given()
        elif self._leaving:
            leaving, _ = self._leaving.popitem(last=False)
            self._exchange(leaving, token, claimant)
        else:
            self._wanting[token] = claimant

    def is_leaving(self, token: SlotToken) -> None:
        """Take note that a task queues for a slot, to leave its place with it; nothing when it has no place."""
        if token not in self._taken:
            return
        if self._wanting:
            self._exchange(token, *self._wanting.popitem(last=False))
        else:
            self._leaving[token] = None

    def leave(self, token: SlotToken) -> None:
        """Want no place any more: give it to the next who does; nothing when it was exchanged for a slot."""
        self._wanting.pop(token, None)
        self._leaving.pop(token, None)
        if token not in self._taken:
            return
        self._taken.remove(token)
        if self._wanting:
            self._give(*self._wanting.popitem(last=False))
        else:
            self._free += 1

    def _exchange(self, leaving: SlotToken, wanting: SlotToken, claimant: PlaceClaimant) -> None:
        self._taken.remove(leaving)
        self._slots.hasten(leaving)
        self._give(wanting, claimant)

    def _give(self, token: SlotToken, claimant: PlaceClaimant) -> None:
        self._taken.add(token)
        claimant.place_given()
