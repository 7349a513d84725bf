"""The signals of one execution that have not taken effect, and who waits for which."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable


class Signal(NamedTuple):
    """A signal as it was stored.

    Attributes:
        id: The signal's id.
        name: Its name.
        payload: What it tells, JSON; None for nothing.
        sender: Who sent it, as far as they said.
    """

    id: str
    name: str
    payload: str | None
    sender: str | None


class Addressee(Protocol):
    """Who waits for a signal."""

    def signalled(self, signal: Signal) -> None:
        """Take a signal, on the loop's thread. It is taken out of the inbox, and its addressee waits no longer."""
        ...


class Inbox:
    """The signals of one execution; all of it on the loop's thread.

    A signal is delivered once, however often it is told: by the process that sent it, and by a look at the database.
    """

    __slots__ = ("_signals", "_told", "_waiting")

    def __init__(self) -> None:
        self._signals: dict[str, deque[Signal]] = {}
        self._waiting: dict[str, dict[Addressee, None]] = {}
        # None before the first: most who wait are told once, and an empty set is as large as all of the rest.
        self._told: set[str] | None = None

    def is_told(self, signal_id: str) -> bool:
        """Return whether a signal was told before; take note that it is told now."""
        if self._told is None:
            self._told = set()
        elif signal_id in self._told:
            return True
        self._told.add(signal_id)
        return False

    @property
    def awaited(self) -> frozenset[str]:
        """The names of the signals that somebody waits for."""
        return frozenset(self._waiting)

    def deliver(self, signals: Iterable[Signal]) -> None:
        """Hand signals to those who wait for them, first come, first served, and keep the others."""
        for signal in signals:
            if not self.is_told(signal.id) and not self._hand_over(signal):
                self._signals.setdefault(signal.name, deque()).append(signal)

    def take(self, name: str) -> Signal | None:
        """Take the oldest signal of a name; None when there is none."""
        signals = self._signals.get(name)
        if signals is None:
            return None
        signal = signals.popleft()
        if not signals:
            del self._signals[name]
        return signal

    def put_back(self, signal: Signal) -> None:
        """Put a signal back that was taken and has not taken effect: it is the next of its name."""
        if not self._hand_over(signal):
            self._signals.setdefault(signal.name, deque()).appendleft(signal)

    def wait(self, name: str, addressee: Addressee) -> None:
        """Hand the next signal of a name to an addressee, after those who wait already."""
        self._waiting.setdefault(name, {})[addressee] = None

    def give_up(self, name: str, addressee: Addressee) -> None:
        """Wait no longer; nothing when the addressee does not."""
        waiting = self._waiting.get(name)
        if waiting is not None:
            waiting.pop(addressee, None)
            if not waiting:
                del self._waiting[name]

    def _hand_over(self, signal: Signal) -> bool:
        waiting = self._waiting.get(signal.name)
        if not waiting:
            return False
        addressee = next(iter(waiting))
        self.give_up(signal.name, addressee)
        addressee.signalled(signal)
        return True
