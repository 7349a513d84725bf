"""What may meet a wait without being asked: a signal, a moment, or several of those.

A source is looked at once, and then tells by itself.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from cloacina.execution.waiting.payloads import InvalidPayload, validated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloacina.execution.clock import Clock
    from cloacina.execution.inbox import Inbox, Signal
    from cloacina.execution.waiting.combined import Several
    from cloacina.execution.waiting.timers import Timer, Timers


class Met(NamedTuple):
    """What a source is met with.

    Attributes:
        value: What the task gets.
        text: That as JSON; None when it is not known yet, or need not be stored because looking again comes to the
            same.
        signals: What it came with, and what is used up.
    """

    value: Any
    text: str | None
    signals: tuple[Signal, ...] = ()


class Source(Protocol):
    """One of the things that a wait is for."""

    def look(self) -> Met | None:
        """Return what it is met with by now; None when it is not."""
        ...

    def start(self, on_met: Callable[[Met], None]) -> None:
        """Call a function, on the loop's thread, once it is met."""
        ...

    def stop(self) -> None:
        """Call it no more; nothing when it was called."""
        ...


class Moment:
    """A moment of the wall clock.

    Args:
        due_at: Seconds since the epoch.
        clock: What tells the time.
        timers: What wakes.
    """

    __slots__ = ("_clock", "_due_at", "_timer", "_timers")

    def __init__(self, due_at: float, clock: Clock, timers: Timers) -> None:
        self._due_at = due_at
        self._clock = clock
        self._timers = timers
        self._timer: Timer | None = None

    def look(self) -> Met | None:
        """Return that the moment has come, if it has."""
        return _COME if self._clock.time() >= self._due_at else None

    def start(self, on_met: Callable[[Met], None]) -> None:
        """Call a function when the moment has come."""
        self._timer = self._timers.call_at(self._due_at, lambda: on_met(_COME))

    def stop(self) -> None:
        """Call it no more."""
        if self._timer is not None:
            self._timers.disarm(self._timer)
            self._timer = None


_COME = Met(True, None)


class Receiver(Protocol):
    """Whose signals they are: an attempt."""

    @property
    def inbox(self) -> Inbox:
        """Where they arrive."""
        ...

    def refuse_signal(self, signal: Signal, error: Exception) -> None:
        """Store that a signal is not what the task expects of it."""
        ...


class Expected:
    """A signal of a name.

    Args:
        name: The signal's name.
        model: What its payload is read as.
        receiver: Whose it is.
    """

    __slots__ = ("_model", "_name", "_on_met", "_receiver")

    def __init__(self, name: str, model: Any, receiver: Receiver) -> None:
        self._name = name
        self._model = model
        self._receiver = receiver
        self._on_met: Callable[[Met], None] | None = None

    def look(self) -> Met | None:
        """Return the oldest signal that is there and is not refused."""
        inbox = self._receiver.inbox
        while (signal := inbox.take(self._name)) is not None:
            if (met := self._read(signal)) is not None:
                return met
        return None

    def start(self, on_met: Callable[[Met], None]) -> None:
        """Call a function when a signal has come; at once if one is there."""
        if (met := self.look()) is not None:
            on_met(met)
        else:
            self._on_met = on_met
            self._receiver.inbox.wait(self._name, self)

    def stop(self) -> None:
        """Call it no more."""
        self._on_met = None
        self._receiver.inbox.give_up(self._name, self)

    def signalled(self, signal: Signal) -> None:
        """Take a signal from the inbox."""
        on_met = self._on_met
        if on_met is None:
            self._receiver.inbox.put_back(signal)
        elif (met := self._read(signal)) is None:
            self._receiver.inbox.wait(self._name, self)
        else:
            self._on_met = None
            on_met(met)

    def _read(self, signal: Signal) -> Met | None:
        """Return what a signal meets a wait with; None when its payload is refused, which is stored."""
        try:
            value = validated(self._model, signal.payload)
        except InvalidPayload as error:
            self._receiver.refuse_signal(signal, error)
            return None
        return Met(value, signal.payload or "null", (signal,))


class FirstOf:
    """The first of several sources that is met.

    Args:
        sources: The sources, each with its index among all that is waited for.
    """

    __slots__ = ("_on_met", "_sources")

    def __init__(self, sources: Sequence[tuple[int, Source]]) -> None:
        self._sources = sources
        self._on_met: Callable[[Met], None] | None = None

    def look(self) -> Met | None:
        """Return the first that is met, with its index."""
        for index, source in self._sources:
            if (met := source.look()) is not None:
                return _with_index(index, met)
        return None

    def start(self, on_met: Callable[[Met], None]) -> None:
        """Call a function with the first that is met; the others are left alone from then on."""
        self._on_met = on_met
        for index, source in self._sources:
            if self._on_met is not None:
                source.start(partial(self._met, index))

    def stop(self) -> None:
        """Call it no more."""
        self._on_met = None
        for _, source in self._sources:
            source.stop()

    def _met(self, index: int, met: Met) -> None:
        on_met = self._on_met
        self.stop()
        if on_met is not None:
            on_met(_with_index(index, met))


class EachOf:
    """All of several sources.

    Args:
        sources: The sources, each with its index among all that is waited for.
        several: What is known of all that is waited for; conditions put what they have come to there as well.
        inbox: Where signals go back to when the wait ends before all are there.
    """

    __slots__ = ("_inbox", "_on_met", "_several", "_signals", "_sources")

    def __init__(self, sources: Sequence[tuple[int, Source]], several: Several, inbox: Inbox) -> None:
        self._sources = dict(sources)
        self._several = several
        self._inbox = inbox
        self._signals: list[Signal] = []
        self._on_met: Callable[[Met], None] | None = None

    def look(self) -> Met | None:
        """Return the values of all, when all are met."""
        for index, source in list(self._sources.items()):
            if (met := source.look()) is not None:
                self._take(index, met)
        return self._all_met()

    def start(self, on_met: Callable[[Met], None]) -> None:
        """Call a function when the last of them is met."""
        self._on_met = on_met
        for index, source in list(self._sources.items()):
            source.start(partial(self._met, index))

    def stop(self) -> None:
        """Call it no more, and put back the signals that have met nothing."""
        self._on_met = None
        for source in self._sources.values():
            source.stop()
        signals, self._signals = self._signals, []
        for signal in reversed(signals):
            self._inbox.put_back(signal)

    def met_by_polling(self, value: Any) -> Met:
        """Return what the wait is met with, the last of all being a condition: with the signals that came before."""
        signals, self._signals = self._signals, []
        return Met(value, None, tuple(signals))

    def _all_met(self) -> Met | None:
        """Return the values of all in their order, with the signals that are used up; None when not all are met."""
        values = self._several.values
        if len(values) < len(self._several):
            return None
        return self.met_by_polling([values[index] for index in range(len(values))])

    def _met(self, index: int, met: Met) -> None:
        self._take(index, met)
        if self._on_met is not None and (everything := self._all_met()) is not None:
            self._on_met(everything)

    def _take(self, index: int, met: Met) -> None:
        del self._sources[index]
        self._several.values[index] = met.value
        if met.text is not None:
            self._several.texts[index] = met.text
        self._signals += met.signals


def _with_index(index: int, met: Met) -> Met:
    text = None if met.text is None else f"[{index},{met.text}]"
    return Met((index, met.value), text, met.signals)
