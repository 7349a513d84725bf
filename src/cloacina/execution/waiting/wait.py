"""One wait: a condition that is polled until it holds, its time is up, or it fails too often.

A wait goes through these phases; its task holds a slot in the first and after the last::

    first call ──met, failed or out of time──────────────────────────▶ over
        │ not met                                                        ▲
        ▼                                                                │
    wanting a place (only a thread) ──met, failed or out of time─────────┘
        │
        ▼
    waiting ──met, failed or out of time──▶ resuming ──slot granted──▶ over
        │                                       │
        └──────────────cancelled────────────────┴────────────────────▶ abandoned, without a slot

A cancelled attempt abandons its wait. When only a scope of the body's own was cancelled, the wait is left by way of
resuming, because the body goes on.

Synchronous conditions are called in a thread, and the waiting task sleeps through all of it. What has to be awaited is
awaited by the waiting task itself, within its own cancel scopes and context variables.
"""

from __future__ import annotations

import contextvars
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.lowlevel

from cloacina.errors import ConditionError, WaitTimeout
from cloacina.execution.waiting.answers import NoAnswer, Pending, answer_of, call_condition
from cloacina.execution.waiting.arguments import returns_awaitable
from cloacina.execution.waiting.combined import Combination, FailedRound
from cloacina.execution.waiting.timers import Timer
from cloacina.execution.waiting.wording import count, failure_of, limit_of
from cloacina.handle import RAISE
from cloacina.membrane import describe, name_of
from cloacina.store import changes
from cloacina.store.records import WaitPhase

if TYPE_CHECKING:
    from datetime import datetime

    from anyio import CancelScope

    from cloacina.execution.attempt import Attempt
    from cloacina.execution.event_loop import OneShot
    from cloacina.execution.slots import SlotToken
    from cloacina.execution.waiting.answers import Answer
    from cloacina.execution.waiting.places import Places
    from cloacina.handle import Condition
    from cloacina.store.changes import Change

LAST_CALL_SECONDS = 1.0
"""How long a call that runs when the time is up may still take to answer."""

MET, TIMED_OUT, FAILED, CANCELLED = "met", "timeout", "error", "cancelled"


class Wait(Timer):
    """A wait of one attempt. As a timer, it fires when the next poll is due.

    Args:
        attempt: Whose wait it is.
        condition: Called until it returns something truthy.
        poll_interval_ms: Milliseconds from an answer to the next call.
        time_limit: Seconds from now until the wait is out of time; None for no limit.
        deadline: The moment at which it is, when the limit is one of the wall clock.
        tolerate_errors: How many errors in a row the condition may raise.
    """

    __slots__ = (
        "_answer_is_out",
        "_attempt",
        "_began_at",
        "_call",
        "_call_scope",
        "_errors_in_a_row",
        "_failed",
        "_is_last_call",
        "_is_over",
        "_is_parked",
        "_limit",
        "_timeout",
        "_token",
        "_tolerate_errors",
        "_turn",
        "_value",
        "condition",
        "context",
        "deadline",
        "errors",
        "flushed_polls",
        "id",
        "is_async",
        "last_error",
        "outcome",
        "phase",
        "poll_interval_ms",
        "polls",
    )

    def __init__(
        self,
        attempt: Attempt,
        condition: Condition,
        *,
        poll_interval_ms: int,
        time_limit: float | None,
        deadline: datetime | None,
        tolerate_errors: int,
    ) -> None:
        self._bucket = None
        self._attempt = attempt
        self._token: SlotToken | None = None
        self._began_at = 0.0
        self.condition = condition
        self.context = contextvars.copy_context()
        self.is_async = returns_awaitable(condition)
        self.poll_interval_ms = poll_interval_ms
        self._tolerate_errors = tolerate_errors
        self.id = ""
        self.phase: WaitPhase | None = None
        self.outcome: str | None = None
        self.polls = 0
        self.flushed_polls = 0
        self.errors = 0
        self.last_error: str | None = None
        self._errors_in_a_row = 0
        self._value: Any = None
        self._failed: FailedRound | None = None
        self._answer_is_out = False
        self._is_last_call = False
        self._is_over = False
        self._is_parked = False
        self._call: Condition | Pending | None = None
        self._call_scope: CancelScope | None = None
        self._turn: OneShot[None] = attempt.resources.loop.one_shot()
        self._limit = deadline or time_limit
        self._timeout: Timer | None = None
        self.deadline: float | None = None
        if time_limit is not None:
            resources = attempt.resources
            self.deadline = deadline.timestamp() if deadline else resources.clock.time() + time_limit
            # Without any time, the first call is the last one.
            self._is_last_call = not time_limit
            if deadline and time_limit:
                self._timeout = resources.timers.call_at(self.deadline, self._time_is_up)
            else:
                self._timeout = resources.timers.call_after(time_limit or LAST_CALL_SECONDS, self._time_is_up)

    @property
    def next_poll_at(self) -> float | None:
        """When the condition is called next, in seconds since the epoch; None while no call is planned."""
        delay = self._attempt.resources.timers.remaining(self)
        return None if delay is None else self._attempt.resources.clock.time() + delay

    # What the handle does with a wait, in this order.

    async def call_once(self) -> bool:
        """Call the condition once, at once, while the slot is still held.

        Returns:
            True when that ends the wait.
        """
        self._begin_call()
        await self._until_over()
        return self.outcome is not None

    async def until_placed(self, places: Places) -> bool:
        """Wait for a place to park in, the slot still held.

        Returns:
            False when the wait is over without one: its time was up.

        Raises:
            HandleConsumed: The task has ended without its wait.
        """
        self._is_over = False
        places.claim(self._attempt.token, self)
        await self._until_over()
        self._attempt.refuse_if_over()
        return self.outcome is None

    def place_given(self) -> None:
        """Let the task go on: it has a place to park in."""
        self._go_on()

    async def until_over(self, token: SlotToken) -> None:
        """Poll the condition until the wait is over, and queue for a slot; return when the token holds one.

        Raises:
            TaskCancelled: The task was given up in the moment in which the slot was granted.
            HandleConsumed: The task has ended without its wait.
        """
        self._token = token
        self._is_over = False
        if not self._answer_is_out:
            self._schedule()
        await self._until_over()
        self._attempt.refuse_if_over()

    def abandon(self) -> None:
        """End the wait of a job that the body has left behind: without its task it waits for nothing."""
        self._disarm()
        self.outcome = CANCELLED
        if self._token is not None:
            self._attempt.resources.slots.withdraw(self._token)
        self._attempt.show_abandoned(self)
        self._go_on()

    def result(self, default: Any) -> Any:
        """Return what the wait has come to.

        Args:
            default: Returned when the time was up; `RAISE` to raise then.

        Raises:
            WaitTimeout: The time was up.
            ConditionError: The condition raised; that is the cause.
        """
        if self.outcome == MET:
            return self._value
        failed, self._failed = self._failed, None
        if failed is not None:
            raise ConditionError(failure_of(failed.condition, failed.error, failed.in_a_row)) from failed.error
        if default is not RAISE:
            return default
        last_error = f"; last error: {self.last_error}" if self.last_error else ""
        polls = f"{count(self.polls, 'poll')}, one each {self.poll_interval_ms} ms{last_error}"
        message = f"the condition {name_of(self.condition)} was not met {limit_of(self._limit or 0)} ({polls})"
        raise WaitTimeout(message)

    # The waiting task's side.

    async def _until_over(self) -> None:
        try:
            while not self._is_over:
                if not self._turn.done():
                    self._is_parked = True
                    self._attempt.resources.bodies.rest()
                await self._turn
                self._turn = self._attempt.resources.loop.one_shot()
                if (call := self._call) is not None and self.outcome is None:
                    self._call = None
                    await self._call_here(call)
            if self._attempt.has_to_stop():
                await anyio.lowlevel.checkpoint()  # raises, though the task was woken before it was cancelled
        except BaseException:
            await self._leave()
            raise
        finally:
            self._drop_call()

    async def _call_here(self, call: Condition | Pending) -> None:
        """Await a call in the waiting task, until the time is up."""
        loop = self._attempt.resources.loop
        answer: Answer = None, None
        with loop.cancel_scope() as scope:
            self._call_scope = scope
            try:
                answer = await answer_of(call, loop)
            finally:
                self._call_scope = None
        if not scope.cancelled_caught:
            self._take(*answer)

    def _drop_call(self) -> None:
        if isinstance(self._call, Pending):
            self._call.close()
        self._call = None

    async def _leave(self) -> None:
        """The waiting task was cancelled: end the wait.

        What a cancelled attempt cleans up runs without a slot; one granted just now is given back. When it was only a
        scope of the body's own that was cancelled, the body goes on, and so takes its slot back first.
        """
        self._unpark()
        self._disarm()
        self.outcome = CANCELLED
        attempt, token = self._attempt, self._token
        if token is None:
            return  # The slot was not given back yet.
        slots = attempt.resources.slots
        await attempt.regain_slot(partial(self._queue_again, token))
        if attempt.is_stopped and not slots.withdraw(token):
            attempt.free_slot()

    async def _queue_again(self, token: SlotToken) -> None:
        self._turn = self._attempt.resources.loop.one_shot()
        if not self._attempt.resources.slots.is_queued(token):
            self._reclaim(token)
        await self._turn

    # The loop's side: callbacks.

    def fire(self) -> None:
        """Call the condition: the next poll is due."""
        try:
            self._begin_call()
        except Exception as failure:  # noqa: BLE001 - other timers are due as well
            self._attempt.fail(failure)

    def call(self) -> Answer:
        """Call the condition, in a thread, with the context variables of the one who waits."""
        if self.outcome is not None:  # It ended while the question stood in line.
            return None, None
        return self.context.run(call_condition, self.condition)

    def answered(self, value: Any, error: BaseException | None) -> None:
        """Take a condition's answer from its thread."""
        try:
            if type(value) is not Pending:
                self._take(value, error)
            elif self.outcome is not None:  # Too late: the time was up, or the task was cancelled.
                value.close()
            else:
                self._call = value
                self._wake()
        except Exception as failure:  # noqa: BLE001 - other answers have come as well
            self._attempt.fail(failure)

    def _take(self, value: Any, error: BaseException | None) -> None:
        """Judge an answer."""
        self._answer_is_out = False
        if self.outcome is not None:
            return
        self.polls += 1
        if error is not None:
            in_a_row = self._errors_in_a_row + 1
            failed = error if type(error) is FailedRound else FailedRound(self.condition, error, in_a_row)
            self._errors_in_a_row = failed.in_a_row
            self.errors += failed.errors
            self.last_error = describe(failed.error)
            if failed.in_a_row > self._tolerate_errors or type(failed.error) is NoAnswer:
                self._failed = failed
                self._end(FAILED)
                return
            if self.phase is not None:
                self._attempt.resources.write((self.state(),))
        elif value is not None:
            self._value = value
            self._end(MET)
            return
        else:
            self._errors_in_a_row = 0
        if self._is_last_call:
            self._end(TIMED_OUT)
        elif self.phase is None:
            self._go_on()
        else:
            self._schedule()
            self._attempt.resources.poll_flush.schedule()

    def _time_is_up(self) -> None:
        """Call the condition one last time; a call that is out already may be that one."""
        try:
            if self._is_last_call:
                self._end(TIMED_OUT)
                if self._call_scope is not None:
                    self._call_scope.cancel()
                return
            self._is_last_call = True
            timers = self._attempt.resources.timers
            if not self._answer_is_out:
                timers.disarm(self)
                self._begin_call()
            if self.outcome is None:
                self._timeout = timers.call_after(LAST_CALL_SECONDS, self._time_is_up)
        except Exception as failure:  # noqa: BLE001 - other timers are due as well
            self._attempt.fail(failure)

    def _end(self, outcome: str) -> None:
        self._disarm()
        self.outcome = outcome
        if self._token is None:
            self._go_on()
        else:
            self._reclaim(self._token)

    def _reclaim(self, token: SlotToken) -> None:
        resources = self._attempt.resources
        self._attempt.show_resuming(self)
        resources.slots.claim(token, self)
        if not token.is_held():
            resources.places.is_leaving(token)

    def slot_granted(self) -> None:
        """Let the task go on: its token holds a slot again."""
        self._go_on()

    def _go_on(self) -> None:
        self._is_over = True
        self._wake()

    def _wake(self) -> None:
        if not self._turn.done():
            self._turn.set_result(None)
            self._unpark()

    def _unpark(self) -> None:
        if self._is_parked:
            self._is_parked = False
            self._attempt.resources.bodies.go_on()

    def _begin_call(self) -> None:
        self._answer_is_out = True
        # A slot is held meanwhile, or time is up.
        is_urgent = self.phase is None or self._is_last_call
        if not self.is_async:
            self._attempt.resources.conditions.ask(self, is_urgent=is_urgent)
            return
        if isinstance(self.condition, Combination):
            self.condition.is_urgent = is_urgent
        self._call = self.condition
        self._wake()

    def _schedule(self) -> None:
        self._attempt.resources.timers.arm(self, self.poll_interval_ms / 1000)

    def _disarm(self) -> None:
        timers = self._attempt.resources.timers
        timers.disarm(self)
        if self._timeout is not None:
            timers.disarm(self._timeout)
            self._timeout = None

    # What the store holds of it.

    def creation(self, at: float) -> Change:
        """Return the change that stores this wait as begun."""
        self._began_at = at
        task = self._attempt.task
        return changes.new_wait(
            self.id,
            task.execution_id,
            task.id,
            task.definition.id,
            WaitPhase.WAITING,
            at,
            self.deadline,
            self.poll_interval_ms,
        )

    def state(self, ended_at: float | None = None) -> Change:
        """Return the change that stores this wait as it is."""
        next_poll_at = self.next_poll_at
        if next_poll_at is not None:  # Otherwise it is stored again when the next poll is planned.
            self.flushed_polls = self.polls
        return changes.wait_state(
            self.id,
            self._attempt.task.execution_id,
            self.phase or WaitPhase.WAITING,
            self.polls,
            next_poll_at,
            self.errors,
            self.last_error,
            self.outcome,
            None if ended_at is None else max(ended_at, self._began_at),
        )
