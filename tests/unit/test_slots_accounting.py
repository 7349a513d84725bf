"""Slot accounting as a state machine: whatever happens in whatever order, no slot is lost and none is held twice."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from cloacina.execution.slots import SlotPool, SlotToken

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from cloacina.execution.event_loop import EventLoop


class _Cancelled(BaseException):
    """What a cancelled task is told."""


class _OneShot:
    """A one-shot result whose waiting task is stepped by hand."""

    def __init__(self) -> None:
        self.is_done = False

    def done(self) -> bool:
        return self.is_done

    def set_result(self, _result: None, /) -> None:
        assert not self.is_done
        self.is_done = True

    def __await__(self) -> Generator[_OneShot, None, None]:
        while not self.is_done:
            yield self


class _Loop:
    """An event loop that turns when it is told to."""

    def __init__(self) -> None:
        self.posted: deque[Callable[[], object]] = deque()
        self.thread = threading.get_ident()

    def one_shot(self) -> _OneShot:
        return _OneShot()

    def is_current(self) -> bool:
        return True

    def post(self, callback: Callable[[], object]) -> bool:
        self.posted.append(callback)
        return True


class _Body:
    """A task: with a token, and perhaps in the middle of a reclaim."""

    def __init__(self, name: int, token: SlotToken) -> None:
        self.name = name
        self.token = token
        self.reclaiming: Coroutine[Any, Any, None] | None = None
        self.parked_on: _OneShot | None = None
        self.is_cancelled = False


class _Claim:
    """A new task in the queue: it goes on in a callback."""

    def __init__(self, on_grant: Callable[[], None]) -> None:
        self.slot_granted = on_grant


class Slots(RuleBasedStateMachine):
    """Bodies that release, reclaim, are cancelled, fail and lose their tokens, one step at a time."""

    bodies = Bundle("bodies")

    @initialize(capacity=st.integers(1, 4))
    def make(self, capacity: int) -> None:
        self.capacity = capacity
        self.loop = _Loop()
        self.pool = SlotPool(capacity, loop=cast("EventLoop", self.loop))
        self.count = 0
        self.alive: dict[int, _Body] = {}
        self.queue: list[int] = []
        """The bodies that stand in the queue, by the model."""

    def _note_grants(self) -> None:
        """Compare who left the queue for a slot with who stood first."""
        still_queued = [name for name in self.queue if self.pool.is_queued(self.alive[name].token)]
        served = self.queue[: len(self.queue) - len(still_queued)]
        assert served + still_queued == self.queue, "those who stood first were not served first"
        self.queue = still_queued

    # The steps.

    @rule(target=bodies)
    def start(self) -> _Body:
        """A new task queues for a slot, by a callback."""
        self.count += 1
        body = _Body(self.count, SlotToken(self.pool))
        self.alive[body.name] = body
        is_free = self.pool.available > 0
        calls: list[bool] = []
        self.pool.claim(body.token, _Claim(lambda: calls.append(True)))
        assert bool(calls) == is_free == body.token.is_held()
        if not is_free:
            self.queue.append(body.name)
        return body

    @rule(body=bodies)
    def release(self, body: _Body) -> None:
        """A wait begins."""
        if body.reclaiming is not None:
            return
        was_held = body.token.is_held()
        assert body.token.release() == was_held
        self._note_grants()

    @rule(body=bodies)
    def reclaim(self, body: _Body) -> None:
        """A wait ends: its condition was met, or it timed out, or its condition failed."""
        if body.reclaiming is not None or self.pool.is_queued(body.token):
            return
        was_held = body.token.is_held()
        is_free = self.pool.available > 0
        body.reclaiming = body.token.reclaim()
        self._step(body)
        if was_held or is_free:
            assert body.reclaiming is None
            assert body.token.is_held()
        else:
            self.queue.append(body.name)

    @rule(body=bodies)
    def go_on(self, body: _Body) -> None:
        """The event loop gives a reclaiming task its turn, if it has something to do."""
        if body.reclaiming is not None and (body.is_cancelled or (body.parked_on and body.parked_on.is_done)):
            self._step(body)

    @rule(body=bodies)
    def cancel(self, body: _Body) -> None:
        """A task in a reclaim is cancelled; it hears of it in its next turn, and a grant may come before that."""
        if body.reclaiming is not None and not body.is_cancelled:
            body.is_cancelled = True
            if body.parked_on is not None:
                body.parked_on.is_done = True

    @rule(body=bodies)
    def withdraw(self, body: _Body) -> None:
        """A new task in the queue is cancelled."""
        if body.reclaiming is None:
            was_queued = body.name in self.queue
            assert self.pool.withdraw(body.token) == was_queued
            if was_queued:
                self.queue.remove(body.name)

    @rule(body=bodies)
    def hasten(self, body: _Body) -> None:
        """A task in the queue becomes the next."""
        self.pool.hasten(body.token)
        if body.name in self.queue:
            self.queue.remove(body.name)
            self.queue.insert(0, body.name)

    @rule(body=consumes(bodies))
    def fail(self, body: _Body) -> None:
        """A body ends by an error, and its token is lost with it."""
        if body.reclaiming is not None or body.name in self.queue:
            return
        del self.alive[body.name]
        body.token = SlotToken(self.pool)  # The bundle may keep the body; what counts is that its token is gone.

    @precondition(lambda self: self.loop.posted)
    @rule()
    def turn(self) -> None:
        """The event loop runs what was posted to it."""
        while self.loop.posted:
            self.loop.posted.popleft()()
        self._note_grants()

    def _step(self, body: _Body) -> None:
        assert body.reclaiming is not None
        try:
            if body.is_cancelled:
                body.reclaiming.throw(_Cancelled())
            else:
                body.parked_on = body.reclaiming.send(None)
                return
        except StopIteration:
            assert body.token.is_held()
        except _Cancelled:
            # Out of the queue, and a slot that was granted just now is given back.
            assert not body.token.is_held()
            if body.name in self.queue:
                self.queue.remove(body.name)
        body.reclaiming = body.parked_on = None
        body.is_cancelled = False
        self._note_grants()

    # What always holds.

    @invariant()
    def never_more_than_n_are_held_and_none_is_lost(self) -> None:
        if not hasattr(self, "pool"):
            return
        available = self.pool.available  # Collects what was lost.
        held = [body.token.slot for body in self.alive.values() if body.token.is_held()]
        assert len(held) == len(set(held)) <= self.capacity
        assert available + len(held) == self.capacity
        self._note_grants()

    @invariant()
    def a_slot_is_free_only_while_nobody_queues(self) -> None:
        if not hasattr(self, "pool") or self.loop.posted:
            return
        assert self.pool.queued == len(self.queue)
        assert not (self.pool.available and self.queue)

    def teardown(self) -> None:
        if not hasattr(self, "pool"):
            return
        for body in self.alive.values():
            if body.reclaiming is not None:
                body.is_cancelled = True
                self._step(body)
            self.pool.withdraw(body.token)
            if body.name in self.queue:
                self.queue.remove(body.name)
        for body in self.alive.values():
            body.token.release()
        assert self.pool.available == self.capacity


TestSlots = Slots.TestCase
TestSlots.settings = settings(max_examples=200, stateful_step_count=40)
