"""Mappings that share most of their keys: what 2 000 tasks behind one that wrote 2 000 keys have written is kept once.

A layered mapping is a small one of its own over a large one that others stand on as well. There are never more than
these two layers: what is written over a layered mapping is added to its own layer, and when that has grown to a part of
the shared one, both become a plain dict, on which others can stand. So a chain of n tasks copies few keys a task, and
reading looks into two dicts at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import ItemsView, Iterator

V = TypeVar("V")

SHARED_FROM: Final = 64
"""So many keys are worth sharing; copying fewer is quicker than looking into two layers."""
OWN_AT_MOST: Final = 4
"""The own layer is at most this part of the shared one: a fourth."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Layered(Mapping[str, V]):
    """A mapping of its own keys over shared ones; `layered` makes it.

    Args:
        shared: Never changed, and never a layered mapping itself.
        own: What differs from it; None marks a key that is gone.
    """

    __slots__ = ("own", "shared")

    def __init__(self, shared: Mapping[str, V], own: Mapping[str, V | None]) -> None:
        self.shared = shared
        self.own = own

    def __getitem__(self, key: str) -> V:
        try:
            value = self.own[key]
        except KeyError:
            return self.shared[key]
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(flat({**self.shared, **self.own}))

    def __len__(self) -> int:
        return len(flat({**self.shared, **self.own}))

    def items(self) -> ItemsView[str, V]:
        """Return the items, in the order that a dict of both layers has."""
        return flat({**self.shared, **self.own}).items()


# Asked for by identity: of an abstract class, `isinstance` takes as long as copying ten keys.
_LAYERED: Final[type] = Layered


def layered(below: Mapping[str, V], changes: Mapping[str, V | None]) -> Mapping[str, V]:
    """Return a mapping with changes, neither of the two changed; None deletes a key."""
    shared: Mapping[str, V] = shared_of(below)
    own: Mapping[str, V | None] = changes if shared is below else {**own_of(below), **changes}
    if len(shared) < SHARED_FROM or len(own) * OWN_AT_MOST > len(shared):
        return flat({**shared, **own})
    return Layered(shared, own)


def shared_of(mapping: Mapping[str, V]) -> Mapping[str, V]:
    """Return what a mapping shares with others: all of it, when it is not layered."""
    return cast("Layered[V]", mapping).shared if type(mapping) is _LAYERED else mapping


def own_of(mapping: Mapping[str, V]) -> Mapping[str, V | None]:
    """Return what a mapping has over that: nothing, when it is not layered."""
    return cast("Layered[V]", mapping).own if type(mapping) is _LAYERED else _NOTHING


def extent(mapping: Mapping[str, V]) -> int:
    """Return how many keys there are to look at, what is shared left out."""
    return len(own_of(mapping) if type(mapping) is _LAYERED else mapping)


def flat(both: dict[str, V | None]) -> dict[str, V]:
    """Return a dict without the keys that are gone; it is taken over."""
    found: dict[str, Any] = both
    if None in found.values():
        for key in [key for key, value in found.items() if value is None]:
            del found[key]
    return found
