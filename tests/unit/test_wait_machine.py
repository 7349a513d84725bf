"""The states of a wait: what is promised of it holds whatever happens in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cloacina.execution.waiting.machine import TABLE, Action, Event, State, step

WITH_SLOT = {State.FIRST, State.FIRST_LAST, State.HELD, State.HELD_LAST, State.HELD_UNSTORED}
CALL_IS_OUT = {State.FIRST, State.FIRST_LAST, State.HELD_LAST, State.ASKING, State.LAST}
OVER = {State.HELD_UNSTORED, State.RESUMING, State.UNSTORED, State.GRANTED_UNSTORED, State.DONE, State.GONE}
ANSWERS = {Event.NOT_MET, Event.MET, Event.MET_TO_STORE, Event.FAILED}


def walk(events: list[Event]) -> tuple[State, list[Action]]:
    """Return where a wait ends after events, and all that was done."""
    state = State.FIRST
    done: list[Action] = []
    for event in events:
        state, actions = step(state, event)
        done += actions
    return state, done


STORIES = {
    "met at once": ([Event.MET], [Action.DISARM, Action.GO_ON]),
    "met at once with a signal": (
        [Event.MET_TO_STORE, Event.STORED],
        [Action.DISARM, Action.STORE, Action.GO_ON],
    ),
    "met at the second poll": (
        [Event.NOT_MET, Event.PARKED, Event.DUE, Event.NOT_MET, Event.DUE, Event.MET, Event.GRANTED],
        [
            Action.GO_ON,
            Action.POLL_LATER,
            Action.ASK,
            Action.POLL_LATER,
            Action.ASK,
            Action.DISARM,
            Action.QUEUE,
            Action.GO_ON,
        ],
    ),
    "met with a signal, stored before there is a slot": (
        [Event.NOT_MET, Event.PARKED, Event.MET_TO_STORE, Event.STORED, Event.GRANTED],
        [Action.GO_ON, Action.POLL_LATER, Action.DISARM, Action.STORE, Action.QUEUE, Action.GO_ON],
    ),
    "met with a signal, a slot before it is stored": (
        [Event.NOT_MET, Event.PARKED, Event.MET_TO_STORE, Event.GRANTED, Event.STORED],
        [Action.GO_ON, Action.POLL_LATER, Action.DISARM, Action.STORE, Action.QUEUE, Action.GO_ON],
    ),
    "time is up, and the last call takes too long": (
        [Event.NOT_MET, Event.PARKED, Event.TIME_UP, Event.PATIENCE_UP, Event.MET, Event.GRANTED],
        [
            Action.GO_ON,
            Action.POLL_LATER,
            Action.DISARM,
            Action.BE_PATIENT,
            Action.ASK,
            Action.DISARM,
            Action.TIMED_OUT,
            Action.CANCEL_CALL,
            Action.QUEUE,
            Action.GO_ON,
        ],
    ),
    "time is up while it wants a place": (
        [Event.NOT_MET, Event.TIME_UP, Event.NOT_MET],
        [Action.GO_ON, Action.BE_PATIENT, Action.ASK, Action.DISARM, Action.TIMED_OUT, Action.GO_ON],
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_stories(story: str) -> None:
    events, expected = STORIES[story]

    assert walk(events) == (State.DONE, expected)


@given(st.lists(st.sampled_from(Event), max_size=40))
def test_whatever_happens_the_promises_hold(events: list[Event]) -> None:
    state = State.FIRST
    queued = stored = settled = 0
    holds_slot, may_park = True, False
    for event in events:
        if event is Event.PARKED and (not may_park or state is State.GONE):
            continue  # only a task that was told to go on, unmet, gives its slot back, and once
        if event is Event.GRANTED and state not in {State.RESUMING, State.UNSTORED}:
            continue  # nobody queues
        if event in ANSWERS - {Event.MET, Event.MET_TO_STORE} and state not in CALL_IS_OUT | OVER:
            continue  # nothing was asked; what is pushed may come at any time
        before = state
        state, actions = step(state, event)

        if event is Event.PARKED:
            holds_slot = may_park = False
        elif event is Event.GRANTED:
            holds_slot = True
        may_park = may_park or state is State.HELD
        if Action.ASK in actions:
            assert before not in CALL_IS_OUT, "never asked twice at once"
            assert before not in OVER, "never asked after its end"
        if Action.QUEUE in actions:
            assert not holds_slot, "nobody queues with a slot in hand"
            queued += 1
        stored += Action.STORE in actions
        if before not in OVER and state in OVER:
            settled += 1
            assert Action.DISARM in actions, "nothing is due after its end"
        if Action.GO_ON in actions:
            assert holds_slot, "nobody goes on without a slot"
            assert before not in {State.DONE, State.GONE}, "nobody goes on twice"
        if Action.TIMED_OUT in actions:
            assert before not in OVER, "an outcome is final"
        if state is State.DONE and before is not State.DONE:
            assert holds_slot
    assert settled <= 1
    assert stored <= 1
    assert queued <= 1


@given(st.lists(st.sampled_from(Event), max_size=20))
def test_every_wait_can_end(events: list[Event]) -> None:
    state, _ = walk(events)

    left, _ = step(state, Event.LEFT)

    assert left is (State.DONE if state is State.DONE else State.GONE)


def test_every_state_is_reached_and_every_action_is_taken() -> None:
    assert {state for state, _ in TABLE.values()} | {State.FIRST} == set(State)
    assert {action for _, actions in TABLE.values() for action in actions} == set(Action)
    assert all(state not in WITH_SLOT or Action.QUEUE not in actions for state, actions in TABLE.values())


def test_what_a_wait_does_at_a_poll_without_looking_it_up_is_what_the_table_says() -> None:
    assert TABLE[State.WAITING, Event.DUE] == (State.ASKING, (Action.ASK,))
    assert TABLE[State.ASKING, Event.NOT_MET] == (State.WAITING, (Action.POLL_LATER,))
