"""What a wait does when something happens to it: a table of states, events and actions, without a loop or a clock.

A wait asks its condition first with the slot still held; when that is not met, it gives the slot back, asks again each
time a poll is due, and queues for a slot when it is over. What else may end it pushes: a signal, a moment, a person::

    FIRST ──not met──▶ HELD ──parked──▶ WAITING ◀──not met── ASKING
      │                  │                 │  └─────due─────────▲ │
      │               time up           time up                 │ │ time up
      │                  ▼                 ▼                    ▼
      │              HELD_LAST           LAST ──────▶ RESUMING ──granted──▶ DONE
      └──met, failed, time up──────────────────────────────────────────────▲

What a wait is met with may have to be stored before the task goes on. Storing and queueing for a slot take their time
side by side, and the wait is done when both are.
"""

from __future__ import annotations

from enum import Enum, IntEnum, auto
from typing import Final


class State(IntEnum):
    """Where a wait stands."""

    FIRST = 0
    """It is being looked at for the first time; the slot is held."""
    FIRST_LAST = auto()
    """As FIRST, and its time is up: what is being asked is the last."""
    HELD = auto()
    """Not met when it was looked at first; the slot is not given back yet."""
    HELD_LAST = auto()
    """Its time was up before the slot was given back, and it is being asked for the last time."""
    HELD_UNSTORED = auto()
    """Met with the slot held; what it was met with is being stored."""
    WAITING = auto()
    """Without a slot; nothing is being asked."""
    ASKING = auto()
    """Without a slot; its condition is being called."""
    LAST = auto()
    """Without a slot; its time is up, and its condition is being called for the last time."""
    RESUMING = auto()
    """Over; it queues for a slot."""
    UNSTORED = auto()
    """Over; it queues for a slot, and what it was met with is being stored."""
    GRANTED_UNSTORED = auto()
    """Over, with a slot; what it was met with is being stored."""
    DONE = auto()
    """Over; the task goes on with a slot."""
    GONE = auto()
    """Its task was cancelled, or has left it behind."""


class Event(IntEnum):
    """What happens to a wait."""

    NOT_MET = 0
    """An answer: not yet."""
    MET = auto()
    """It is met."""
    MET_TO_STORE = auto()
    """It is met with something that has to be stored before the task goes on."""
    FAILED = auto()
    """An answer is an error that is not tolerated; or what it is met with cannot be stored."""
    DUE = auto()
    """The next call of its condition is due."""
    TIME_UP = auto()
    """Its time is up; its condition may be called once more."""
    PATIENCE_UP = auto()
    """Its time is up, and nothing is waited for any more: the last call took too long, or there is none to make."""
    PARKED = auto()
    """The slot was given back."""
    GRANTED = auto()
    """It has a slot again."""
    STORED = auto()
    """What it was met with is stored."""
    LEFT = auto()
    """Its task was cancelled, or has ended without it."""


class Action(Enum):
    """What is to be done about it."""

    ASK = "call the condition"
    POLL_LATER = "let the next call be due after the interval"
    BE_PATIENT = "let the patience with the last call end in a second"
    DISARM = "let nothing be due any more, and take nothing that is pushed"
    CANCEL_CALL = "end the call that is being awaited"
    TIMED_OUT = "the outcome is that the time was up"
    STORE = "store what it was met with"
    QUEUE = "show that it is over, and queue for a slot"
    LEAVE_QUEUE = "queue for no slot any more"
    GO_ON = "let the task go on"


_A, _S, _E = Action, State, Event

# (state, event): (what follows, actions). What is not here changes nothing: an answer that comes too late, for example.
TABLE: Final[dict[tuple[State, Event], tuple[State, tuple[Action, ...]]]] = {
    # The first look, the slot held.
    (_S.FIRST, _E.NOT_MET): (_S.HELD, (_A.GO_ON,)),
    (_S.FIRST, _E.MET): (_S.DONE, (_A.DISARM, _A.GO_ON)),
    (_S.FIRST, _E.MET_TO_STORE): (_S.HELD_UNSTORED, (_A.DISARM, _A.STORE)),
    (_S.FIRST, _E.FAILED): (_S.DONE, (_A.DISARM, _A.GO_ON)),
    (_S.FIRST, _E.TIME_UP): (_S.FIRST_LAST, (_A.BE_PATIENT,)),
    (_S.FIRST, _E.PATIENCE_UP): (_S.DONE, (_A.DISARM, _A.TIMED_OUT, _A.CANCEL_CALL, _A.GO_ON)),
    (_S.FIRST_LAST, _E.NOT_MET): (_S.DONE, (_A.DISARM, _A.TIMED_OUT, _A.GO_ON)),
    (_S.FIRST_LAST, _E.MET): (_S.DONE, (_A.DISARM, _A.GO_ON)),
    (_S.FIRST_LAST, _E.MET_TO_STORE): (_S.HELD_UNSTORED, (_A.DISARM, _A.STORE)),
    (_S.FIRST_LAST, _E.FAILED): (_S.DONE, (_A.DISARM, _A.GO_ON)),
    (_S.FIRST_LAST, _E.PATIENCE_UP): (_S.DONE, (_A.DISARM, _A.TIMED_OUT, _A.CANCEL_CALL, _A.GO_ON)),
    # On the way to give the slot back: a blocking task waits for a place to park in.
    (_S.HELD, _E.PARKED): (_S.WAITING, (_A.POLL_LATER,)),
    (_S.HELD, _E.MET): (_S.DONE, (_A.DISARM, _A.GO_ON)),
    (_S.HELD, _E.MET_TO_STORE): (_S.HELD_UNSTORED, (_A.DISARM, _A.STORE)),
    (_S.HELD, _E.FAILED): (_S.DONE, (_A.DISARM, _A.GO_ON)),
    (_S.HELD, _E.TIME_UP): (_S.HELD_LAST, (_A.BE_PATIENT, _A.ASK)),
    (_S.HELD, _E.PATIENCE_UP): (_S.DONE, (_A.DISARM, _A.TIMED_OUT, _A.GO_ON)),
    (_S.HELD_LAST, _E.PARKED): (_S.LAST, ()),
    (_S.HELD_LAST, _E.NOT_MET): (_S.DONE, (_A.DISARM, _A.TIMED_OUT, _A.GO_ON)),
    (_S.HELD_LAST, _E.MET): (_S.DONE, (_A.DISARM, _A.GO_ON)),
    (_S.HELD_LAST, _E.MET_TO_STORE): (_S.HELD_UNSTORED, (_A.DISARM, _A.STORE)),
    (_S.HELD_LAST, _E.FAILED): (_S.DONE, (_A.DISARM, _A.GO_ON)),
    (_S.HELD_LAST, _E.PATIENCE_UP): (_S.DONE, (_A.DISARM, _A.TIMED_OUT, _A.CANCEL_CALL, _A.GO_ON)),
    (_S.HELD_UNSTORED, _E.PARKED): (_S.UNSTORED, (_A.QUEUE,)),
    (_S.HELD_UNSTORED, _E.STORED): (_S.DONE, (_A.GO_ON,)),
    # Without a slot.
    (_S.WAITING, _E.DUE): (_S.ASKING, (_A.ASK,)),
    (_S.WAITING, _E.MET): (_S.RESUMING, (_A.DISARM, _A.QUEUE)),
    (_S.WAITING, _E.MET_TO_STORE): (_S.UNSTORED, (_A.DISARM, _A.STORE, _A.QUEUE)),
    (_S.WAITING, _E.FAILED): (_S.RESUMING, (_A.DISARM, _A.QUEUE)),
    (_S.WAITING, _E.TIME_UP): (_S.LAST, (_A.DISARM, _A.BE_PATIENT, _A.ASK)),
    (_S.WAITING, _E.PATIENCE_UP): (_S.RESUMING, (_A.DISARM, _A.TIMED_OUT, _A.QUEUE)),
    (_S.ASKING, _E.NOT_MET): (_S.WAITING, (_A.POLL_LATER,)),
    (_S.ASKING, _E.MET): (_S.RESUMING, (_A.DISARM, _A.QUEUE)),
    (_S.ASKING, _E.MET_TO_STORE): (_S.UNSTORED, (_A.DISARM, _A.STORE, _A.QUEUE)),
    (_S.ASKING, _E.FAILED): (_S.RESUMING, (_A.DISARM, _A.QUEUE)),
    (_S.ASKING, _E.TIME_UP): (_S.LAST, (_A.BE_PATIENT,)),
    (_S.ASKING, _E.PATIENCE_UP): (_S.RESUMING, (_A.DISARM, _A.TIMED_OUT, _A.CANCEL_CALL, _A.QUEUE)),
    (_S.LAST, _E.NOT_MET): (_S.RESUMING, (_A.DISARM, _A.TIMED_OUT, _A.QUEUE)),
    (_S.LAST, _E.MET): (_S.RESUMING, (_A.DISARM, _A.QUEUE)),
    (_S.LAST, _E.MET_TO_STORE): (_S.UNSTORED, (_A.DISARM, _A.STORE, _A.QUEUE)),
    (_S.LAST, _E.FAILED): (_S.RESUMING, (_A.DISARM, _A.QUEUE)),
    (_S.LAST, _E.PATIENCE_UP): (_S.RESUMING, (_A.DISARM, _A.TIMED_OUT, _A.CANCEL_CALL, _A.QUEUE)),
    # Over: a slot, and the store.
    (_S.RESUMING, _E.GRANTED): (_S.DONE, (_A.GO_ON,)),
    (_S.UNSTORED, _E.STORED): (_S.RESUMING, ()),
    (_S.UNSTORED, _E.GRANTED): (_S.GRANTED_UNSTORED, ()),
    (_S.GRANTED_UNSTORED, _E.STORED): (_S.DONE, (_A.GO_ON,)),
    # A place came in the moment in which the wait was over: the slot has been given back, so it is queued for.
    (_S.DONE, _E.PARKED): (_S.RESUMING, (_A.QUEUE,)),
}
TABLE.update(
    {
        (state, Event.LEFT): (
            State.GONE,
            (_A.DISARM, _A.CANCEL_CALL, _A.LEAVE_QUEUE) if state >= State.WAITING else (_A.DISARM, _A.CANCEL_CALL),
        )
        for state in State
        if state not in {State.DONE, State.GONE}
    }
)


ROWS: Final = tuple(tuple(TABLE.get((state, event), (state, ())) for event in Event) for state in State)
"""The table by state, then by event: looking up a pair of members of enumerations takes three times as long."""


def step(state: State, event: Event) -> tuple[State, tuple[Action, ...]]:
    """Return what follows an event: the next state, and what is to be done, in order."""
    return ROWS[state][event]
