"""The handle of a `def` task: the same waits, called from the task's thread and not awaited."""

from __future__ import annotations

import contextvars
import queue
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio

from cloacina.errors import TaskCancelled, WrongEventLoop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime, timedelta

    from cloacina.execution.checkpoints import Checkpoint
    from cloacina.execution.event_loop import EventLoop
    from cloacina.execution.handle import EngineTaskHandle
    from cloacina.execution.slots import SlotToken
    from cloacina.handle import Condition
    from cloacina.waits import After, At, Signal

T = TypeVar("T")


class EngineBlockingTaskHandle:
    """The `BlockingTaskHandle` that the engine gives to tasks; `cloacina.handle` documents its methods.

    Each call runs the async handle's method in a task on the loop, and parks the thread until that has ended.
    """

    __slots__ = ("_calls", "_handle")

    def __init__(self, handle: EngineTaskHandle) -> None:
        self._handle = handle
        self._calls = Calls(handle.engine_attempt.resources.loop)

    def defer_until(self, condition: Condition, **options: Any) -> Any:
        """Wait until the condition holds, without a slot: see `BlockingTaskHandle.defer_until`."""
        return self._call(partial(self._handle.defer_until, condition, **options))

    def defer_for(self, duration: float | timedelta, *, name: str | None = None) -> None:
        """Wait for a time, without a slot: see `BlockingTaskHandle.defer_for`."""
        self._call(partial(self._handle.defer_for, duration, name=name))

    def defer_to(self, moment: datetime, *, name: str | None = None) -> None:
        """Wait until a moment, without a slot: see `BlockingTaskHandle.defer_to`."""
        self._call(partial(self._handle.defer_to, moment, name=name))

    def wait_for(self, signal: str, **options: Any) -> Any:
        """Wait for a signal, without a slot: see `BlockingTaskHandle.wait_for`."""
        return self._call(partial(self._handle.wait_for, signal, **options))

    def wait_any(self, awaited: Sequence[Condition | Signal | At | After], **options: Any) -> tuple[int, Any]:
        """Wait until one of several things happens: see `BlockingTaskHandle.wait_any`."""
        return self._call(partial(self._handle.wait_any, awaited, **options))

    def wait_all(self, awaited: Sequence[Condition | Signal | At | After], **options: Any) -> list[Any]:
        """Wait until each of several things has happened: see `BlockingTaskHandle.wait_all`."""
        return self._call(partial(self._handle.wait_all, awaited, **options))

    def request_input(self, question: str, **options: Any) -> Any:
        """Ask a person, and wait for the answer without a slot: see `BlockingTaskHandle.request_input`."""
        return self._call(partial(self._handle.request_input, question, **options))

    def request_approval(self, question: str, **options: Any) -> bool:
        """Ask a person for a yes or a no: see `BlockingTaskHandle.request_approval`."""
        return self._call(partial(self._handle.request_approval, question, **options))

    def checkpoint(
        self,
        name: str,
        function: Callable[[], Any],
        *,
        key: str | None = None,
        model: Any = None,
        at_most_once: bool = False,
    ) -> Any:
        """Do a step once, in this thread: see `BlockingTaskHandle.checkpoint`."""
        handle, attempt = self._handle, self._handle.engine_attempt
        step = self._call(partial(self._enter, name, key))
        try:
            if step.text is None and self._call(partial(handle.may_happen, step, model, at_most_once=at_most_once)):
                text = step.encode(model, function())
                self._call(partial(step.store, attempt, text))
            return step.result(model, cast("str", step.text))
        finally:
            step.leave()

    async def _enter(self, name: str, key: str | None) -> Checkpoint:
        return self._handle.enter_checkpoint(name, key)

    def idempotency_key(self, name: str, key: str | None = None) -> str:
        """Return a key that is the same each time the task is run: see `BlockingTaskHandle.idempotency_key`."""
        self._refuse_if_stopped()
        return self._handle.idempotency_key(name, key)

    def heartbeat(self, details: Any = None) -> None:
        """Tell that the task goes on: see `BlockingTaskHandle.heartbeat`."""
        self._refuse_if_stopped()
        self._handle.heartbeat(details)

    @property
    def last_heartbeat(self) -> Any:
        """What heartbeats told last: see `BlockingTaskHandle.last_heartbeat`."""
        return self._handle.last_heartbeat

    def yield_slot(self) -> None:
        """Let those who queue go first: see `BlockingTaskHandle.yield_slot`."""
        self._call(self._handle.yield_slot)

    def task_execution_id(self) -> str:
        """Return the id of this task execution."""
        self._refuse_if_stopped()
        return self._handle.task_execution_id()

    def is_slot_held(self) -> bool:
        """Return whether the task holds a slot now."""
        self._refuse_if_stopped()
        return self._handle.is_slot_held()

    def into_slot_token(self) -> BlockingSlotToken:
        """Consume the handle: see `BlockingTaskHandle.into_slot_token`."""
        return BlockingSlotToken(self._call(self._into_slot_token), self._calls)

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._handle.attempt

    @property
    def is_consumed(self) -> bool:
        """Whether `into_slot_token` was called."""
        return self._handle.is_consumed

    @property
    def calls(self) -> Calls:
        """The calls that the task's thread is parked in; for the engine."""
        return self._calls

    async def _into_slot_token(self) -> SlotToken:
        return self._handle.into_slot_token()

    def _call(self, call: Callable[[], Awaitable[T]]) -> T:
        self._refuse_if_stopped()
        return self._calls.run(call)

    def _refuse_if_stopped(self) -> None:
        # Cancelled or timed out: the thread cannot be stopped, but it is told.
        if self._handle.engine_attempt.is_stopped:
            raise TaskCancelled


class BlockingSlotToken:
    """A `SlotToken` for the thread of a `def` task: the same methods, not awaited, safe from any thread."""

    __slots__ = ("_calls", "_token")

    def __init__(self, token: SlotToken, calls: Calls) -> None:
        self._token = token
        self._calls = calls

    @property
    def slot(self) -> int | None:
        """The number of the slot held, from 0; None when none is."""
        return self._token.slot

    def is_held(self) -> bool:
        """Return whether this token holds a slot."""
        return self._token.is_held()

    def release(self) -> bool:
        """Give the slot back; return False when none was held."""
        return self._calls.run(self._release)

    def reclaim(self) -> None:
        """Wait in the queue until this token holds a slot again; nothing when it does.

        Raises:
            TaskCancelled: The task was cancelled meanwhile; the token holds no slot.
            ConcurrentWait: Another thread is reclaiming it.
        """
        self._calls.run(self._token.reclaim)

    async def _release(self) -> bool:
        return self._token.release()


class Calls:
    """The calls from threads that run on the loop now; cancelling them raises `TaskCancelled` in the threads."""

    __slots__ = ("_is_cancelled", "_loop", "_scopes")

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self._scopes: set[anyio.CancelScope] = set()
        self._is_cancelled = False

    def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """Await a call in a task on the loop, with the context variables of this thread; park until it has ended.

        Raises:
            TaskCancelled: The calls were cancelled, or the loop has ended.
            WrongEventLoop: It is called on the loop, which would wait for itself.
        """
        if self._loop.is_own_thread():
            message = (
                "the handle of a `def` task was used on the runner's event loop, which would wait for itself; use it "
                "in the task, or in threads that the task starts"
            )
            raise WrongEventLoop(message)
        replies: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        serve = partial(self._serve, call, replies)
        if not self._loop.post(partial(self._loop.spawn, serve, contextvars.copy_context())):
            raise TaskCancelled
        del serve
        value, error = replies.get()
        if error is None:
            return value  # type: ignore[no-any-return]
        try:
            raise error
        finally:
            del error  # a frame and its exception that refer to each other live until the garbage collector comes

    def cancel(self) -> None:
        """Cancel all calls, and those that come later."""
        self._is_cancelled = True
        for scope in self._scopes:
            scope.cancel()

    async def _serve(
        self, call: Callable[[], Awaitable[Any]], replies: queue.SimpleQueue[tuple[Any, BaseException | None]]
    ) -> None:
        value: Any = None
        error: BaseException | None = TaskCancelled()
        scope = anyio.CancelScope()
        self._scopes.add(scope)
        try:
            with scope:
                if self._is_cancelled:
                    scope.cancel()
                value = await call()
                error = None
        except BaseException as raised:  # noqa: BLE001 - raised in the thread that called
            error = raised
        finally:
            self._scopes.discard(scope)
        replies.put((value, error))
