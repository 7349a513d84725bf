"""The handle of an async task: how a task gives its slot back while it waits for the world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import anyio.lowlevel

from cloacina.errors import ConcurrentWait, HandleConsumed
from cloacina.execution.slots import SlotToken
from cloacina.execution.waiting.arguments import check_polling, time_limit
from cloacina.execution.waiting.combined import Combination, Several
from cloacina.execution.waiting.wait import Wait
from cloacina.handle import RAISE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from cloacina.execution.attempt import Attempt
    from cloacina.execution.waiting.places import Places
    from cloacina.handle import Condition


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
        poll_interval_ms: int = 1000,
        timeout: float | timedelta | None = None,
        deadline: datetime | None = None,
        default: Any = RAISE,
        tolerate_errors: int = 0,
    ) -> Any:
        """Wait until the condition holds, without a slot: see `TaskHandle.defer_until`."""
        attempt, token = self._attempt, self._attempt.token
        wait = self._begin(condition, poll_interval_ms, timeout, deadline, tolerate_errors)
        try:
            if not await wait.call_once() and await self._may_park(wait):  # at once: true already costs nothing
                attempt.show_deferred(wait)  # the store says Deferred …
                token.release()  # … and the slot serves the next in the queue
                await wait.until_over(token)  # polled; then in the queue, until a slot is held again
                attempt.show_active(wait)  # the store says Active
            return wait.result(default)  # what the condition returned, or WaitTimeout, or ConditionError
        finally:
            self._end(wait)

    async def wait_any(self, conditions: Sequence[Condition], **options: Any) -> tuple[int, Any]:
        """Wait until one of several conditions holds: see `TaskHandle.wait_any`."""
        condition = self._combined(Several("wait_any", conditions, needs_all=False))
        return cast("tuple[int, Any]", await self.defer_until(condition, **options))

    async def wait_all(self, conditions: Sequence[Condition], **options: Any) -> list[Any]:
        """Wait until each of several conditions has held: see `TaskHandle.wait_all`."""
        condition = self._combined(Several("wait_all", conditions, needs_all=True))
        return cast("list[Any]", await self.defer_until(condition, **options))

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

    def _begin(
        self,
        condition: Condition,
        poll_interval_ms: int,
        timeout: float | timedelta | None,
        deadline: datetime | None,
        tolerate_errors: int,
    ) -> Wait:
        """Refuse what cannot be waited for, and return the wait."""
        self._refuse_if_unusable()
        check_polling(condition, poll_interval_ms, tolerate_errors)
        limit = time_limit(timeout, deadline, self._attempt.resources.clock.time())
        self._is_waiting = True
        return Wait(
            self._attempt,
            condition,
            poll_interval_ms=poll_interval_ms,
            time_limit=limit,
            deadline=deadline,
            tolerate_errors=tolerate_errors,
        )

    def _combined(self, several: Several) -> Combination:
        resources = self._attempt.resources
        return Combination(several, resources.conditions, resources.loop)

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
                self._attempt.show_abandoned(wait)

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
