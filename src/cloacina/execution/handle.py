"""The handle of an async task: how a task gives its slot back while it waits for the world."""

from __future__ import annotations

import contextvars
import inspect
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel

from cloacina.cancellation import idempotency_key
from cloacina.context import decode, encode
from cloacina.errors import ConcurrentWait, HandleConsumed
from cloacina.execution.ids import new_id
from cloacina.execution.slots import SlotToken
from cloacina.execution.waiting.arguments import interval_of, returns_awaitable, time_limit
from cloacina.execution.waiting.combined import Combination, Several
from cloacina.execution.waiting.payloads import has_to_load, load
from cloacina.execution.waiting.polling import polling_of
from cloacina.execution.waiting.questions import Question
from cloacina.execution.waiting.sources import EachOf, Expected, FirstOf, Moment
from cloacina.execution.waiting.wait import MET, Awaited, Wait
from cloacina.handle import RAISE
from cloacina.store.records import WaitKind
from cloacina.waits import After, At, Signal, check_duration, check_moment, check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta
    from typing import Unpack

    from cloacina.execution.attempt import Attempt
    from cloacina.execution.checkpoints import Checkpoint
    from cloacina.execution.waiting.places import Places
    from cloacina.execution.waiting.polling import Polling
    from cloacina.execution.waiting.sources import Source
    from cloacina.handle import AnswerOptions, Condition, WaitOptions
    from cloacina.polling import PollPolicy
    from cloacina.waits import Awaited as AnyAwaited


class EngineTaskHandle:
    """The `TaskHandle` that the engine gives to tasks; `cloacina.handle` documents its methods.

    Args:
        attempt: What it controls.
        places: Where a blocking task needs a place for the time of a wait; None when there is no limit.
    """

    __slots__ = ("_attempt", "_is_consumed", "_is_waiting", "_places")

    def __init__(self, attempt: Attempt, places: Places | None) -> None:
        self._attempt = attempt
        self._places = places
        self._is_waiting = False
        self._is_consumed = False

    async def defer_until(
        self,
        condition: Condition,
        *,
        name: str | None = None,
        poll_interval_ms: int | None = None,
        poll: PollPolicy | None = None,
        timeout: float | timedelta | None = None,
        deadline: datetime | None = None,
        default: Any = RAISE,
        tolerate_errors: int = 0,
    ) -> Any:
        """Wait until the condition holds, without a slot: see `TaskHandle.defer_until`."""
        polling = polling_of(condition, poll_interval_ms, poll, tolerate_errors)
        return await self._wait(Awaited(WaitKind.CONDITION, _name(name), polling, None), timeout, deadline, default)

    async def defer_for(self, duration: float | timedelta, *, name: str | None = None) -> None:
        """Wait for a time, without a slot: see `TaskHandle.defer_for`."""
        seconds = check_duration(duration, "the time to wait")
        await self._wait_until(self._attempt.resources.clock.time() + seconds, _name(name))

    async def defer_to(self, moment: datetime, *, name: str | None = None) -> None:
        """Wait until a moment, without a slot: see `TaskHandle.defer_to`."""
        await self._wait_until(check_moment(moment, "the moment to wait for").timestamp(), _name(name))

    async def wait_for(
        self,
        signal: str,
        *,
        model: Any = None,
        timeout: float | timedelta | None = None,
        deadline: datetime | None = None,
        default: Any = RAISE,
    ) -> Any:
        """Wait for a signal, without a slot: see `TaskHandle.wait_for`."""
        expected = Signal(signal, model)
        await self._load(model)
        source = self._expected(expected.name, model)
        awaited = Awaited(WaitKind.SIGNAL, signal, None, source, model=model)
        return await self._wait(awaited, timeout, deadline, default)

    async def wait_any(self, awaited: Sequence[AnyAwaited], **options: Unpack[WaitOptions]) -> tuple[int, Any]:
        """Wait until one of several things happens: see `TaskHandle.wait_any`."""
        several = Several("wait_any", awaited, needs_all=False)
        await self._load(*several.models)
        sources = self._sources(WaitKind.ANY, several, options.get("name"))
        source = FirstOf(sources) if sources else None
        return cast("tuple[int, Any]", await self._wait_for_several(WaitKind.ANY, several, source, **options))

    async def wait_all(self, awaited: Sequence[AnyAwaited], **options: Unpack[WaitOptions]) -> list[Any]:
        """Wait until each of several things has happened: see `TaskHandle.wait_all`."""
        several = Several("wait_all", awaited, needs_all=True)
        await self._load(*several.models)
        sources = self._sources(WaitKind.ALL, several, options.get("name"))
        source = EachOf(sources, several, self._attempt.inbox) if sources else None
        return cast("list[Any]", await self._wait_for_several(WaitKind.ALL, several, source, **options))

    async def _wait_for_several(
        self,
        kind: WaitKind,
        several: Several,
        source: Source | None,
        *,
        name: str | None = None,
        poll_interval_ms: int | None = None,
        poll: PollPolicy | None = None,
        timeout: float | timedelta | None = None,
        deadline: datetime | None = None,
        default: Any = RAISE,
        tolerate_errors: int = 0,
    ) -> Any:
        polling = self._polling(several, poll_interval_ms, poll, tolerate_errors)
        return await self._wait(
            Awaited(kind, _name(name), polling, source, several=several), timeout, deadline, default
        )

    async def request_input(self, question: str, *, model: Any = None, **options: Unpack[AnswerOptions]) -> Any:
        """Ask a person, and wait for the answer without a slot: see `TaskHandle.request_input`."""
        await self._load(model)
        asked, label = Question(question, model, options.get("to", ())), _name(options.get("name"))
        self._refuse_if_unusable()
        memo = self._attempt.memos.peek(WaitKind.QUESTION, label)
        row_id = new_id() if memo is None else memo.id
        source = self._expected(row_id, model)
        awaited = Awaited(WaitKind.QUESTION, label, None, source, question=asked.to_json(), model=model, row_id=row_id)
        default = options.get("default", RAISE)
        return await self._wait(awaited, options.get("timeout"), options.get("deadline"), default)

    async def request_approval(self, question: str, **options: Unpack[AnswerOptions]) -> bool:
        """Ask a person for a yes or a no: see `TaskHandle.request_approval`."""
        return cast("bool", await self.request_input(question, model=bool, **options))

    async def checkpoint(
        self,
        name: str,
        function: Callable[[], Any],
        *,
        key: str | None = None,
        model: Any = None,
        at_most_once: bool = False,
    ) -> Any:
        """Do a step once: see `TaskHandle.checkpoint`."""
        await self._load(model)
        step = self.enter_checkpoint(name, key)
        try:
            if step.text is None and await self.may_happen(step, model, at_most_once=at_most_once):
                value = await (function() if returns_awaitable(function) else self._in_thread(function))
                value = await value if inspect.isawaitable(value) else value
                await step.store(self._attempt, step.encode(model, value))
            return step.result(model, cast("str", step.text))
        finally:
            step.leave()

    async def _load(self, *models: Any) -> None:
        """Import in a thread what reads values by these models."""
        if has_to_load(models):
            await self._in_thread(load)

    async def _in_thread(self, function: Callable[[], Any]) -> Any:
        with anyio.CancelScope(shield=True):
            threads = self._attempt.resources.threads
            return await threads.call(partial(contextvars.copy_context().run, function))

    def enter_checkpoint(self, name: str, key: str | None) -> Checkpoint:
        """Return a checkpoint to be left again; for the engine."""
        self._refuse_if_consumed()
        self._attempt.refuse_if_over()
        self._attempt.refuse_if_left()
        return self._attempt.checkpoints.enter(self._attempt.task.definition.id, name, key)

    async def may_happen(self, step: Checkpoint, model: Any, *, at_most_once: bool) -> bool:
        """Return whether a step without a result is to be made; for the engine.

        One that may happen at most once, and was begun by a process that died, may have happened: a person is asked,
        and the answer is its result.
        """
        if not at_most_once:
            return True
        if not step.is_begun:
            await step.store(self._attempt, None)
            return True
        question = (
            f"The process ended while the step {step.name!r} was being made, and it is not made again. Look whether it "
            "happened, make up for it if it did not, and answer with its result."
        )
        value = await self.request_input(question, model=model, name=f"{step.name} {step.key}")
        await step.store(self._attempt, step.encode(model, value))
        return False

    def idempotency_key(self, name: str, key: str | None = None) -> str:
        """Return a key that is the same each time the task is run: see `TaskHandle.idempotency_key`."""
        return idempotency_key(self.task_execution_id(), name, key)

    def heartbeat(self, details: Any = None) -> None:
        """Tell that the task goes on: see `TaskHandle.heartbeat`."""
        self._refuse_if_consumed()
        self._attempt.refuse_if_over()
        self._attempt.beat(None if details is None else encode(details, "the details of a heartbeat"))

    @property
    def last_heartbeat(self) -> Any:
        """What heartbeats told last: see `TaskHandle.last_heartbeat`."""
        heartbeat = self._attempt.task.heartbeat
        return None if heartbeat is None or heartbeat.details is None else decode(heartbeat.details)

    async def _wait_until(self, due_at: float, name: str) -> None:
        resources = self._attempt.resources
        self._refuse_if_unusable()
        memo = self._attempt.memos.peek(WaitKind.TIME, name)
        if memo is not None and memo.due_at is not None:
            due_at = memo.due_at
        awaited = Awaited(WaitKind.TIME, name, None, Moment(due_at, resources.clock, resources.timers), due_at)
        await self._wait(awaited, None, None, RAISE)

    async def _wait(
        self, awaited: Awaited, timeout: float | timedelta | None, deadline: datetime | None, default: Any
    ) -> Any:
        attempt, token = self._attempt, self._attempt.token
        wait = self._begin(awaited, timeout, deadline)
        try:
            if not await wait.look() and await self._may_park(wait):  # at once: what holds already costs nothing
                attempt.show_deferred(wait)  # the store says Deferred …
                token.release()  # … and the slot serves the next in the queue
                await wait.until_over(token)  # polled, or woken; then in the queue, until a slot is held again
                attempt.show_active(wait)  # the store says Active
            return wait.result(default)  # what it was met with, or WaitTimeout, or ConditionError
        finally:
            self._end(wait)

    async def yield_slot(self) -> None:
        """Let those who queue go first: see `TaskHandle.yield_slot`."""
        self._refuse_if_unusable()
        attempt, token = self._attempt, self._attempt.token
        if attempt.has_to_stop() or not token.is_held() or not attempt.resources.slots.queued:
            await anyio.lowlevel.checkpoint()
            return
        self._is_waiting = True
        try:
            attempt.show_deferred(None)
            token.release()
            interruption = await attempt.regain_slot(token.reclaim)
            if not token.is_held():
                await anyio.lowlevel.checkpoint()  # raises: the attempt was cancelled
            attempt.show_active(None)
            if interruption is not None:
                raise interruption
        finally:
            self._is_waiting = False

    def task_execution_id(self) -> str:
        """Return the id of this task execution."""
        self._refuse_if_consumed()
        return self._attempt.task.id

    def is_slot_held(self) -> bool:
        """Return whether the task holds a slot now."""
        self._refuse_if_consumed()
        return self._attempt.token.is_held()

    def into_slot_token(self) -> SlotToken:
        """Consume the handle: see `TaskHandle.into_slot_token`."""
        self._refuse_if_unusable()
        self._is_consumed = True
        attempt = self._attempt
        token, attempt.token = attempt.token, SlotToken(attempt.resources.slots)
        return token

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._attempt.task.attempt

    @property
    def is_consumed(self) -> bool:
        """Whether `into_slot_token` was called."""
        return self._is_consumed

    @property
    def engine_attempt(self) -> Attempt:
        """What the handle controls; for the engine."""
        return self._attempt

    def _begin(self, awaited: Awaited, timeout: float | timedelta | None, deadline: datetime | None) -> Wait:
        """Refuse what cannot be waited for, and return the wait."""
        self._refuse_if_unusable()
        attempt = self._attempt
        limit = time_limit(timeout, deadline, now := attempt.resources.clock.time())
        ordinal, memo = attempt.memos.ask(awaited.kind, awaited.name)
        if memo is not None:
            if memo.outcome is None and memo.deadline is not None:
                # It goes on where it was: its time is up when it was to be.
                deadline, limit = datetime.fromtimestamp(memo.deadline, UTC), max(0.0, memo.deadline - now)
            elif memo.outcome == MET and memo.value is None and awaited.polling is not None:
                memo = None  # What a condition without a name was met with is not kept: it is asked again.
        self._is_waiting = True
        return Wait(attempt, awaited, ordinal=ordinal, memo=memo, time_limit=limit, deadline=deadline)

    def _polling(
        self, several: Several, poll_interval_ms: int | None, poll: PollPolicy | None, tolerate_errors: int
    ) -> Polling | None:
        if not several.conditions:
            interval_of(poll_interval_ms, poll)
            return None
        resources = self._attempt.resources
        condition = Combination(several, resources.conditions, resources.loop)
        return polling_of(condition, poll_interval_ms, poll, tolerate_errors)

    def _sources(self, kind: WaitKind, several: Several, name: str | None) -> list[tuple[int, Source]]:
        """Return the sources among several things; a delay goes on where it was when the body is run again."""
        resources = self._attempt.resources
        memo = self._attempt.memos.peek(kind, _name(name))
        began_at = resources.clock.time() if memo is None else memo.started_at
        return [(index, self._source(each, began_at)) for index, each in several.sources]

    def _source(self, awaited: Signal | At | After, began_at: float) -> Source:
        resources = self._attempt.resources
        if isinstance(awaited, Signal):
            return self._expected(awaited.name, awaited.model)
        if isinstance(awaited, At):
            due_at = awaited.moment.timestamp()
        else:
            due_at = began_at + check_duration(awaited.duration, "the time to wait")
        return Moment(due_at, resources.clock, resources.timers)

    def _expected(self, name: str, model: Any) -> Expected:
        return Expected(name, model, self._attempt)

    async def _may_park(self, wait: Wait) -> bool:
        """Return when the task may give its slot back: threads that park are counted; False when the wait is over."""
        return self._places is None or await wait.until_placed(self._places)

    def _end(self, wait: Wait) -> None:
        self._is_waiting = False
        if self._places is not None:
            self._places.leave(self._attempt.token)
        if wait.id in self._attempt.resources.waits:
            # Cancelled: as a whole, or by a scope of the body's own, and then it has its slot again.
            if self._attempt.token.is_held():
                self._attempt.show_active(wait)
            else:
                self._attempt.show_ended(wait)
        elif wait.is_left_open:
            self._attempt.show_ended(wait)

    def _refuse_if_unusable(self) -> None:
        self._refuse_if_consumed()
        self._attempt.refuse_if_over()
        loop = self._attempt.resources.loop
        if not loop.is_current():
            raise loop.elsewhere()
        if self._is_waiting:
            message = (
                f"task {self._attempt.task.definition.id!r} is in a wait already, and a handle can give its slot back "
                "once at a time; use wait_all or wait_any for several conditions"
            )
            raise ConcurrentWait(message)

    def _refuse_if_consumed(self) -> None:
        if self._is_consumed:
            message = f"the handle of task {self._attempt.task.definition.id!r} was consumed by into_slot_token()"
            raise HandleConsumed(message)


def _name(name: str | None) -> str:
    return "" if name is None else check_name(name, "a wait")
