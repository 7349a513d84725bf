"""The half that the stand-in handles share: they wait in virtual time, and record it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cloacina.cancellation import Cancellation, idempotency_key
from cloacina.context import decode, encode
from cloacina.errors import ConcurrentWait, ConditionError, HandleConsumed, WaitTimeout
from cloacina.execution.waiting.answers import NoAnswer
from cloacina.execution.waiting.arguments import check_polling, interval_of, time_limit
from cloacina.execution.waiting.combined import FailedRound
from cloacina.execution.waiting.wording import count, failure_of, limit_of
from cloacina.handle import RAISE
from cloacina.polling import milliseconds_after
from cloacina.testing.polling import RecordedWait
from cloacina.testing.stand_in_world import World
from cloacina.testing.virtual_clock import VirtualClock
from cloacina.waits import check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from datetime import datetime

    from cloacina.execution.checkpoints import Checkpoint
    from cloacina.execution.waiting.answers import Answer
    from cloacina.handle import Condition
    from cloacina.polling import PollPolicy
    from cloacina.testing.polling import Calls

EXECUTION_ID = "00000000-0000-7000-8000-000000000001"
"""The id that the execution of a stand-in has."""

TASK_EXECUTION_ID = "00000000-0000-7000-8000-000000000000"
"""The id that a stand-in gives, unless a test says otherwise."""


class RecordingHandle:
    """What both stand-ins have in common. Arguments and attributes as for `FakeTaskHandle`."""

    def __init__(
        self,
        *,
        attempt: int = 1,
        task_execution_id: str = TASK_EXECUTION_ID,
        clock: VirtualClock | None = None,
        max_polls: int = 1000,
        last_heartbeat: Any = None,
    ) -> None:
        self._attempt = attempt
        self._task_execution_id = task_execution_id
        self._max_polls = max_polls
        self._is_slot_held = True
        self._is_waiting = False
        self._is_consumed = False
        self.clock = clock or VirtualClock()
        self.waits: list[RecordedWait] = []
        self.yields = 0
        self.questions: list[str] = []
        self.heartbeats: list[Any] = []
        self._last_heartbeat = last_heartbeat
        self.world = World(self.clock)

    def send_signal(self, name: str, payload: Any = None) -> None:
        """Let a signal be there, for the task's next wait for it.

        Args:
            name: The signal's name.
            payload: What it tells: a JSON value.
        """
        self.world.send(name, payload)

    def answer(self, value: Any) -> None:
        """Let the answer to the task's next question be there.

        Args:
            value: A JSON value.
        """
        self.world.answer(value)

    def idempotency_key(self, name: str, key: str | None = None) -> str:
        """Return the key: see `TaskHandle.idempotency_key`."""
        return idempotency_key(self.task_execution_id(), name, key)

    def heartbeat(self, details: Any = None) -> None:
        """Note the heartbeat: see `TaskHandle.heartbeat`."""
        self._refuse_if_consumed()
        kept = None if details is None else decode(encode(details, "the details of a heartbeat"))
        self.heartbeats.append(kept)
        if kept is not None:
            self._last_heartbeat = kept

    @property
    def last_heartbeat(self) -> Any:
        """What heartbeats told last: see `TaskHandle.last_heartbeat`."""
        return self._last_heartbeat

    def cancellation(self) -> Cancellation:
        """Return what the task has left so far, for a test of its `on_cancel` function."""
        steps = {place: decode(text) for place, text in self.world.results()}
        return Cancellation(EXECUTION_ID, self._task_execution_id, self._attempt, self._last_heartbeat, steps)

    def enter(self, name: str, key: str | None) -> Checkpoint:
        """Return a checkpoint to be left again."""
        self._refuse_if_consumed()
        return self.world.enter(name, key)

    @property
    def attempt(self) -> int:
        """The number of the attempt, from 1."""
        return self._attempt

    @property
    def is_consumed(self) -> bool:
        """Whether `into_slot_token()` was called."""
        return self._is_consumed

    def task_execution_id(self) -> str:
        """Return the id of the task execution."""
        self._refuse_if_consumed()
        return self._task_execution_id

    def is_slot_held(self) -> bool:
        """Return whether the task holds its slot: not in the calls of a condition but the first."""
        self._refuse_if_consumed()
        return self._is_slot_held

    def record_wait(
        self,
        conditions: Sequence[Condition],
        ask: Callable[[], Calls],
        label: str,
        *,
        name: str | None = None,
        poll_interval_ms: int | None = None,
        poll: PollPolicy | None = None,
        timeout: float | timedelta | None = None,
        deadline: datetime | None = None,
        default: Any = RAISE,
        tolerate_errors: int = 0,
    ) -> Generator[Condition, Answer, Any]:
        """Yield the conditions to call, be sent their answers, and return what the wait has come to.

        Args:
            conditions: What is waited for.
            ask: Asks each of them once.
            label: What messages call all of them.
            name: As for `TaskHandle.defer_until`, and so are the others.
            poll_interval_ms: See there.
            poll: See there.
            timeout: See there.
            deadline: See there.
            default: See there.
            tolerate_errors: See there.
        """
        self._refuse_if_unusable()
        if name is not None:
            check_name(name, "a wait")
        interval_ms = interval_of(poll_interval_ms, poll)
        for condition in conditions:
            check_polling(condition, interval_ms, tolerate_errors)
        limit = time_limit(timeout, deadline, self.clock.time())
        allowed = None if limit is None else timedelta(seconds=limit)
        wait = RecordedWait(tuple(conditions), interval_ms, allowed, tolerate_errors, poll)
        self.waits.append(wait)
        self._is_waiting = True
        try:
            return (yield from self._polls(wait, ask, label, default, deadline))
        finally:
            self._is_waiting = False
            self._is_slot_held = True

    def _polls(
        self, wait: RecordedWait, ask: Callable[[], Calls], name: str, default: Any, deadline: datetime | None
    ) -> Generator[Condition, Answer, Any]:
        began = self.clock.elapsed
        interval = timedelta(milliseconds=wait.poll_interval_ms)
        policy = wait.poll_policy
        while True:
            wait.polls += 1
            try:
                value = yield from ask()
            except FailedRound as failed:
                wait.errors += failed.errors
                if failed.in_a_row > wait.tolerate_errors or type(failed.error) is NoAnswer:
                    wait.outcome = "error"
                    message = failure_of(failed.condition, failed.error, failed.in_a_row)
                    raise ConditionError(message) from failed.error
            else:
                if value is not None:
                    wait.outcome, wait.value = "met", value
                    return value
            if policy is not None:
                interval = timedelta(milliseconds=milliseconds_after(policy, wait.polls))
            remaining = interval if wait.time_limit is None else wait.time_limit - wait.duration
            if deadline is not None:  # It follows the wall clock, which a test may set.
                remaining = deadline - self.clock.now()
            is_exhausted = policy is not None and policy.max_polls is not None and wait.polls >= policy.max_polls
            if is_exhausted or remaining <= timedelta(0):
                wait.outcome = "timeout"
                if default is RAISE:
                    raise self._timed_out(wait, name, deadline, is_exhausted=is_exhausted)
                return default
            if wait.time_limit is None and wait.polls >= self._max_polls:
                raise self._out_of_polls(wait, name)
            self._is_slot_held = False
            self.clock.advance(min(interval, remaining))
            wait.duration = self.clock.elapsed - began

    @staticmethod
    def _timed_out(wait: RecordedWait, name: str, deadline: datetime | None, *, is_exhausted: bool) -> WaitTimeout:
        if is_exhausted:
            return WaitTimeout(f"the condition {name} was not met in {count(wait.polls, 'poll')}")
        limit = limit_of(deadline or (wait.time_limit or timedelta(0)).total_seconds())
        rhythm = f", one each {wait.poll_interval_ms} ms" if wait.poll_policy is None else ""
        polls = f"{count(wait.polls, 'poll')}{rhythm}"
        return WaitTimeout(f"the condition {name} was not met {limit} ({polls})")

    @staticmethod
    def _out_of_polls(wait: RecordedWait, name: str) -> AssertionError:
        message = (
            f"the condition {name} was not met in {wait.polls} polls of a wait without a timeout; let it come "
            "true, or allow more with max_polls="
        )
        return AssertionError(message)

    def count_yield(self) -> None:
        """Count a call of `yield_slot()`."""
        self._refuse_if_unusable()
        self.yields += 1

    def consume(self) -> None:
        """Be consumed by `into_slot_token()`."""
        self._refuse_if_unusable()
        self._is_consumed = True

    def _refuse_if_unusable(self) -> None:
        self._refuse_if_consumed()
        if self._is_waiting:
            message = "this handle is in a wait already; use wait_all or wait_any for several conditions"
            raise ConcurrentWait(message)

    def _refuse_if_consumed(self) -> None:
        if self._is_consumed:
            message = "this handle was consumed by into_slot_token()"
            raise HandleConsumed(message)
