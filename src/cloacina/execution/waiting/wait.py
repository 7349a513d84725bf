"""One wait of a task: what happens to it goes through the table of `machine`, and this is what is done about it.

What is waited for is a condition that is polled, or sources that tell by themselves (a signal, a moment), or both.
Synchronous conditions are called in a thread, and the waiting task sleeps through all of it. What has to be awaited is
awaited by the waiting task itself, within its own cancel scopes and context variables.

A cancelled attempt leaves its wait. When only a scope of the body's own was cancelled, the wait is left by way of
queueing for a slot, because the body goes on.
"""

from __future__ import annotations

from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, NamedTuple, ParamSpec, cast

import anyio.lowlevel

from cloacina.context import encode
from cloacina.errors import ConditionError, NotJSONSerializable, WaitTimeout
from cloacina.execution.ids import new_id
from cloacina.execution.memos import Memo
from cloacina.execution.waiting.answers import Pending, answer_of
from cloacina.execution.waiting.combined import Combination, FailedRound
from cloacina.execution.waiting.machine import ROWS, Action, Event, State
from cloacina.execution.waiting.payloads import validated
from cloacina.execution.waiting.polling import Polling
from cloacina.execution.waiting.sources import EachOf, Met
from cloacina.execution.waiting.timers import Timer
from cloacina.execution.waiting.wording import count, failure_of, limit_of
from cloacina.handle import RAISE
from cloacina.membrane import name_of
from cloacina.store import changes
from cloacina.store.records import WaitPhase

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from anyio import CancelScope

    from cloacina.execution.attempt import Attempt
    from cloacina.execution.event_loop import OneShot
    from cloacina.execution.slots import SlotToken
    from cloacina.execution.waiting.answers import Answer
    from cloacina.execution.waiting.combined import Several
    from cloacina.execution.waiting.places import Places
    from cloacina.execution.waiting.sources import Source
    from cloacina.handle import Condition
    from cloacina.store.changes import Change
    from cloacina.store.records import WaitKind

P = ParamSpec("P")

LAST_CALL_SECONDS = 1.0
"""How long a call that runs when the time is up may still take to answer."""

_WAITING: Final = State.WAITING
_ASKING: Final = State.ASKING

MET, TIMED_OUT, FAILED, CANCELLED = "met", "timeout", "error", "cancelled"


def _fails_alone(callback: Callable[Concatenate[Wait, P], None]) -> Callable[Concatenate[Wait, P], None]:
    """Let an error of the engine's own in a callback fail the execution whose wait it is: others are due as well."""

    @wraps(callback)
    def guarded(wait: Wait, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            callback(wait, *args, **kwargs)
        except Exception as failure:  # noqa: BLE001 - handed on whole
            wait._attempt.fail(failure)  # noqa: SLF001 - this module's own class

    return guarded


class Awaited(NamedTuple):
    """What a wait is for.

    Attributes:
        kind: What kind of thing.
        name: Its name; '' for none.
        polling: The condition that is polled, if there is one.
        source: What tells by itself, if anything does.
        due_at: The moment, of a wait for one.
        question: What a person is asked, JSON.
        row_id: The id of its row in the store; None for a new one.
        model: What the value of a signal or an answer is read as, when the body is run again.
        several: What is known of several things, if it is for several.
    """

    kind: WaitKind
    name: str
    polling: Polling | None
    source: Source | None
    due_at: float | None = None
    question: str | None = None
    row_id: str = ""
    model: Any = None
    several: Several | None = None

    def encode(self, value: Any) -> str:
        """Return what the wait is met with as JSON.

        Raises:
            NotJSONSerializable: A condition has returned what JSON cannot hold.
        """
        if self.several is not None:
            return self.several.encode(value)
        return encode(value, f"the value of the wait {self.name!r}")

    def decode(self, text: str) -> Any:
        """Return what the wait was met with before, from JSON.

        Raises:
            InvalidPayload: It is not what the model expects.
        """
        return validated(self.model, text) if self.several is None else self.several.decode(text)


class Wait(Timer):
    """A wait of one attempt. As a timer, it fires when the next poll is due.

    Args:
        attempt: Whose wait it is.
        awaited: What it is for.
        ordinal: Which of its kind and name it is in the task's body, from 1.
        memo: What the store holds of it, when the body is run again.
        time_limit: Seconds from now until the wait is out of time; None for no limit.
        deadline: The moment at which it is, when the limit is one of the wall clock.
    """

    __slots__ = (
        "_attempt",
        "_began_at",
        "_call",
        "_call_scope",
        "_is_parked",
        "_is_stored",
        "_is_stored_open",
        "_limit",
        "_met",
        "_moves",
        "_ordinal",
        "_state",
        "_timeout",
        "_token",
        "_turn",
        "awaited",
        "deadline",
        "id",
        "outcome",
        "phase",
        "polling",
    )

    def __init__(
        self,
        attempt: Attempt,
        awaited: Awaited,
        *,
        ordinal: int,
        memo: Memo | None,
        time_limit: float | None,
        deadline: datetime | None,
    ) -> None:
        self._bucket = None
        self._attempt = attempt
        self.awaited = awaited
        self.polling = awaited.polling
        self._ordinal = ordinal
        self._state = State.FIRST
        self._token: SlotToken | None = None
        self._began_at = 0.0
        self._is_stored = memo is not None
        self._is_stored_open = memo is not None and memo.outcome is None
        self.id = awaited.row_id if memo is None else memo.id
        self.phase: WaitPhase | None = None
        self.outcome: str | None = None
        self._met: Met | None = None
        self._moves = False
        self._is_parked = False
        self._call: Condition | Pending | None = None
        self._call_scope: CancelScope | None = None
        self._turn: OneShot[None] = attempt.resources.loop.one_shot()
        self._limit = deadline or time_limit
        self._timeout: Timer | None = None
        self.deadline: float | None = None
        if memo is not None:
            self._began_at = memo.started_at
        if memo is not None and memo.outcome is not None:
            self._replay(memo)
        elif time_limit is not None:
            self._limit_time(time_limit, deadline)

    def _limit_time(self, time_limit: float, deadline: datetime | None) -> None:
        resources = self._attempt.resources
        self.deadline = resources.clock.time() + time_limit if deadline is None else deadline.timestamp()
        if not time_limit:
            # Without any time, the first call is the last one.
            self._state = State.FIRST_LAST
            self._timeout = resources.timers.call_after(LAST_CALL_SECONDS, self._patience_is_up)
        elif deadline is None:
            self._timeout = resources.timers.call_after(time_limit, self._time_is_up)
        else:
            self._timeout = resources.timers.call_at(self.deadline, self._time_is_up)

    @property
    def is_stored(self) -> bool:
        """Whether the store has a row of it."""
        return self._is_stored

    @property
    def is_left_open(self) -> bool:
        """Whether the store has it as open, from an earlier run of the body, and it was over at the first look now."""
        return self._is_stored_open and self.phase is None

    @property
    def next_poll_at(self) -> float | None:
        """When the condition is called next, in seconds since the epoch; None while no call is planned."""
        delay = self._attempt.resources.timers.remaining(self)
        return None if delay is None else self._attempt.resources.clock.time() + delay

    # What the handle does with a wait, in this order.

    async def look(self) -> bool:
        """Look at what is waited for once, at once, while the slot is still held.

        Returns:
            True when that ends the wait.
        """
        if self.outcome is not None:  # The body has been here before.
            await anyio.lowlevel.checkpoint()
            return True
        source = self.awaited.source
        if source is not None and (met := source.look()) is not None:
            self._is_met(met)
        elif self.polling is not None:
            self._ask()
        else:
            if source is not None:
                source.start(self._is_met)
            self._on(Event.NOT_MET)
        await self._until_told()
        return self.outcome is not None

    async def until_placed(self, places: Places) -> bool:
        """Wait for a place to park in, the slot still held.

        Returns:
            False when the wait is over without one: it was met, or its time was up.

        Raises:
            HandleConsumed: The task has ended without its wait.
        """
        if self.outcome is None:
            self._moves = False
            places.claim(self._attempt.token, self)
            await self._until_told()
        self._attempt.refuse_if_over()
        return self.outcome is None

    def place_given(self) -> None:
        """Let the task go on: it has a place to park in."""
        self._go_on()

    async def until_over(self, token: SlotToken) -> None:
        """Wait until the wait is over and the token holds a slot again.

        Raises:
            TaskCancelled: The task was given up in the moment in which the slot was granted.
            HandleConsumed: The task has ended without its wait.
        """
        self._token = token
        self._moves = False
        self._on(Event.PARKED)
        await self._until_told()
        self._attempt.refuse_if_over()

    def abandon(self) -> None:
        """End the wait of a job that the body has left behind: without its task it waits for nothing."""
        self._on(Event.LEFT)
        self.outcome = CANCELLED
        self._attempt.show_ended(self)
        self._go_on()

    def give_up(self) -> None:
        """Take it that nothing that happens ends the wait any more; its thread will hear of that."""
        if self.outcome is None:
            self.outcome = CANCELLED

    def result(self, default: Any) -> Any:
        """Return what the wait has come to.

        Args:
            default: Returned when the time was up; `RAISE` to raise then.

        Raises:
            WaitTimeout: The time was up.
            ConditionError: The condition raised; that is the cause.
        """
        if self._met is not None:
            return self._met.value
        polling = self.polling
        failed = None if polling is None else polling.failed
        if polling is not None and failed is not None:
            polling.failed = None  # A frame and its exception that refer to each other live until the collector comes.
            raise ConditionError(failure_of(failed.condition, failed.error, failed.in_a_row)) from failed.error
        if default is not RAISE:
            return default
        raise WaitTimeout(self._how_it_timed_out())

    def _replay(self, memo: Memo) -> None:
        """Take over what the store holds of this wait: the body has gone past it before."""
        if memo.outcome == MET:
            value = True if memo.value is None else self.awaited.decode(memo.value)
            self._met = Met(value, memo.value)
        self.outcome = memo.outcome
        self.phase = WaitPhase.ENDED
        self._state = State.DONE

    def _how_it_timed_out(self) -> str:
        polling = self.polling
        last_error = "" if polling is None or not polling.last_error else f"; last error: {polling.last_error}"
        if polling is not None and polling.is_exhausted:
            return (
                f"the condition {name_of(polling.condition)} was not met in {count(polling.polls, 'poll')}{last_error}"
            )
        limit = limit_of(self._limit or 0)
        if polling is None:
            what = {"signal": f"the signal {self.awaited.name!r} did not come", "question": "nobody answered"}
            return f"{what.get(self.awaited.kind, 'what was waited for did not happen')} {limit}"
        polls = f"{count(polling.polls, 'poll')}{polling.rhythm}{last_error}"
        return f"the condition {name_of(polling.condition)} was not met {limit} ({polls})"

    # The waiting task's side.

    async def _until_told(self) -> None:
        """Sleep until the task is to go on, and await meanwhile what has to be awaited in it."""
        try:
            while not self._moves:
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
        self._state = State.GONE
        attempt, token, met = self._attempt, self._token, self._met
        if met is None or not attempt.is_stopped:
            self.outcome = CANCELLED
        # Otherwise it was met: the next attempt, or that of a retried execution, is given what it has used up.
        if met is not None and met.signals and not attempt.is_stopped:
            self._met = None
            attempt.memos.forget(self.awaited.kind, self.awaited.name, self._ordinal)
            self._take_back(met)
        if token is None:
            return  # The slot was not given back yet.
        slots = attempt.resources.slots
        await attempt.regain_slot(partial(self._queue_again, token))
        if attempt.is_stopped and not slots.withdraw(token):
            attempt.free_slot()

    def _take_back(self, met: Met) -> None:
        """Store that signals have met nothing after all: a scope of the body's own ended the wait before it heard."""
        task = self._attempt.task
        unit = [self.state()] if self._is_stored else []
        unit += [changes.signal_state(signal.id, task.execution_id, None, None) for signal in met.signals]
        self._attempt.resources.write(unit)
        self._give_back(met)

    async def _queue_again(self, token: SlotToken) -> None:
        self._turn = self._attempt.resources.loop.one_shot()
        if not self._attempt.resources.slots.is_queued(token):
            self._queue()
        await self._turn

    # The loop's side: what happens, and what is done about it.

    def _on(self, event: Event) -> None:
        self._state, actions = ROWS[self._state][event]
        for action in actions:
            _DO[action](self)

    # Nearly all that happens to waits is a poll that is due, and an answer that it is not met. So these two go by the
    # table without looking it up, and guard themselves: `_fails_alone` takes as long as the rest of it.

    def fire(self) -> None:
        """Call the condition: the next poll is due."""
        try:
            if self._state is _WAITING and self.polling is not None and not self.polling.is_async:
                self._state = _ASKING
                self._attempt.resources.conditions.ask(self, is_urgent=False)
            else:
                self._on(Event.DUE)
        except Exception as failure:  # noqa: BLE001 - other timers are due as well
            self._attempt.fail(failure)

    def call(self) -> Answer:
        """Call the condition, in a thread; for the threads that call conditions."""
        if self.outcome is not None or self.polling is None:  # It ended while the question stood in line.
            return None, None
        return self.polling.call()

    def answered(self, value: Any, error: BaseException | None) -> None:
        """Take a condition's answer from its thread."""
        try:
            polling = self.polling
            if value is None and error is None and self._state is _ASKING and type(polling) is Polling:
                polling.judge(None, None)
                self._state = _WAITING
                resources = self._attempt.resources
                resources.poll_flush.schedule()
                resources.timers.arm(self, polling.interval_ms / 1000)
            elif type(value) is not Pending:
                self._take(value, error)
            elif self.outcome is not None:  # Too late: the time was up, or the task was cancelled.
                value.close()
            else:
                self._call = value
                self._wake()
        except Exception as failure:  # noqa: BLE001 - other answers have come as well
            self._attempt.fail(failure)

    @_fails_alone
    def slot_granted(self) -> None:
        """Go on, the token holds a slot again: unless something has to be stored before that."""
        if self._state is State.GONE:
            self._go_on()
        else:
            self._on(Event.GRANTED)

    def _take(self, value: Any, error: BaseException | None) -> None:
        """Judge an answer."""
        polling = self.polling
        if self.outcome is not None or polling is None:
            return
        errors = polling.errors
        event = polling.judge(value, error)
        if event is Event.MET:
            source = self.awaited.source
            self._is_met(source.met_by_polling(value) if isinstance(source, EachOf) else Met(value, None))
            return
        if event is Event.FAILED:
            self.outcome = FAILED
        elif self.phase is not None:
            if polling.errors != errors:
                self._attempt.resources.write((self.state(),))
            self._attempt.resources.poll_flush.schedule()
        elif self._state is State.FIRST and self.awaited.source is not None:
            self.awaited.source.start(self._is_met)
        self._on(event)

    @_fails_alone
    def _is_met(self, met: Met) -> None:
        """Take what the wait is met with."""
        if self.outcome is not None:
            self._give_back(met)
            return
        if met.text is None and (self.awaited.name or met.signals):
            try:
                met = met._replace(text=self.awaited.encode(met.value))
            except NotJSONSerializable as error:
                self._give_back(met)
                self._fail(error)
                return
        self._met = met
        self.outcome = MET
        self._on(Event.MET if met.text is None else Event.MET_TO_STORE)

    def _fail(self, error: NotJSONSerializable) -> None:
        polling = self.polling
        if polling is not None:  # Only a condition returns what JSON cannot hold.
            polling.failed = FailedRound(polling.condition, error, 1)
        self.outcome = FAILED
        self._on(Event.FAILED)

    def _give_back(self, met: Met) -> None:
        """Let signals be for the next who waits for them: the body has not seen them."""
        for signal in reversed(met.signals):
            self._attempt.inbox.put_back(signal)

    @_fails_alone
    def _time_is_up(self) -> None:
        self._on(Event.PATIENCE_UP if self.polling is None else Event.TIME_UP)

    @_fails_alone
    def _patience_is_up(self) -> None:
        self._on(Event.PATIENCE_UP)

    # The actions.

    def _ask(self) -> None:
        polling = cast("Polling", self.polling)
        # A slot is held meanwhile, or time is up.
        is_urgent = self.phase is None or self._state is State.LAST
        if not polling.is_async:
            self._attempt.resources.conditions.ask(self, is_urgent=is_urgent)
            return
        if isinstance(polling.condition, Combination):
            polling.condition.is_urgent = is_urgent
        self._call = polling.condition
        self._wake()

    def _poll_later(self) -> None:
        if self.polling is not None:
            self._attempt.resources.timers.arm(self, self.polling.interval_ms / 1000)

    def _be_patient(self) -> None:
        self._timeout = self._attempt.resources.timers.call_after(LAST_CALL_SECONDS, self._patience_is_up)

    def _disarm(self) -> None:
        timers = self._attempt.resources.timers
        timers.disarm(self)
        if self._timeout is not None:
            timers.disarm(self._timeout)
            self._timeout = None
        if self.awaited.source is not None:
            self.awaited.source.stop()

    def _cancel_call(self) -> None:
        if self._call_scope is not None:
            self._call_scope.cancel()

    def _timed_out(self) -> None:
        self.outcome = TIMED_OUT

    def _store(self) -> None:
        """Store what it was met with, and that the signals are used up: one unit, awaited before the task goes on."""
        attempt, awaited, met = self._attempt, self.awaited, cast("Met", self._met)
        task = attempt.task
        now = attempt.resources.clock.time()
        unit: list[Change] = []
        if not self._is_stored:
            self.id = self.id or new_id()
            unit.append(self.creation(now))
        unit.append(self.state(now if self.phase is None else None))
        self._is_stored_open = False
        unit += [changes.signal_state(signal.id, task.execution_id, now, self.id) for signal in met.signals]
        if self.phase is None:
            self.phase = WaitPhase.ENDED
        attempt.resources.write(unit, partial(self._on, Event.STORED))
        memo = Memo(
            awaited.kind,
            awaited.name,
            self._ordinal,
            task.attempt,
            self.outcome,
            met.text,
            self.id,
            self._began_at,
            self.deadline,
            awaited.due_at,
            met.signals[0].id if met.signals else None,
        )
        attempt.memos.add(memo)

    def _queue(self) -> None:
        token = cast("SlotToken", self._token)
        resources = self._attempt.resources
        self._attempt.show_resuming(self)
        resources.slots.claim(token, self)
        if not token.is_held():
            resources.places.is_leaving(token)

    def _leave_queue(self) -> None:
        if self._token is not None:
            self._attempt.resources.slots.withdraw(self._token)

    def _go_on(self) -> None:
        self._moves = True
        self._wake()

    def _wake(self) -> None:
        if not self._turn.done():
            self._turn.set_result(None)
            self._unpark()

    def _unpark(self) -> None:
        if self._is_parked:
            self._is_parked = False
            self._attempt.resources.bodies.go_on()

    # What the store holds of it.

    def creation(self, at: float) -> Change:
        """Return the change that stores this wait as begun."""
        self._began_at = at
        self._is_stored = True
        task, awaited = self._attempt.task, self.awaited
        return changes.new_wait(
            self.id,
            task.execution_id,
            task.id,
            task.definition.id,
            WaitPhase.WAITING,
            at,
            self.deadline,
            None if self.polling is None else self.polling.interval_ms,
            kind=awaited.kind,
            name=awaited.name,
            ordinal=self._ordinal,
            attempt=task.attempt,
            due_at=awaited.due_at,
            question_json=awaited.question,
        )

    def state(self, ended_at: float | None = None) -> Change:
        """Return the change that stores this wait as it is."""
        next_poll_at = self.next_poll_at
        polling, met = self.polling, self._met
        if polling is not None and next_poll_at is not None:  # Otherwise it is stored when the next poll is planned.
            polling.flushed_polls = polling.polls
        return changes.wait_state(
            self.id,
            self._attempt.task.execution_id,
            self.phase or (WaitPhase.WAITING if ended_at is None else WaitPhase.ENDED),
            0 if polling is None else polling.polls,
            next_poll_at,
            0 if polling is None else polling.errors,
            None if polling is None else polling.last_error,
            self.outcome,
            None if ended_at is None else max(ended_at, self._began_at),
            None if met is None else met.text,
            met.signals[0].id if met is not None and met.signals else None,
        )


_DO: Final[dict[Action, Callable[[Wait], None]]] = {
    Action.ASK: Wait._ask,  # noqa: SLF001 - the table of this module's own class
    Action.POLL_LATER: Wait._poll_later,  # noqa: SLF001
    Action.BE_PATIENT: Wait._be_patient,  # noqa: SLF001
    Action.DISARM: Wait._disarm,  # noqa: SLF001
    Action.CANCEL_CALL: Wait._cancel_call,  # noqa: SLF001
    Action.TIMED_OUT: Wait._timed_out,  # noqa: SLF001
    Action.STORE: Wait._store,  # noqa: SLF001
    Action.QUEUE: Wait._queue,  # noqa: SLF001
    Action.LEAVE_QUEUE: Wait._leave_queue,  # noqa: SLF001
    Action.GO_ON: Wait._go_on,  # noqa: SLF001
}
