"""What the engine needs of an event loop and anyio does not offer, for asyncio and for trio.

Three things, each on the hot path: to post a callback from another thread without waiting for it, to wait on a one-shot
result without a lock or a scope, and to start a task in a given context without a task group's bookkeeping (a parked
task group child costs 4.7 kB on asyncio, a plain task with a scope 2.4 kB). Everything else in Cloacina is written
against anyio. See adr/0002.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import anyio.lowlevel

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Generator

    import trio

T = TypeVar("T")

logger = logging.getLogger("cloacina.execution")


class OneShot(Protocol[T]):
    """A result that is set once on the loop's thread and awaited by one task; an `asyncio.Future` is one."""

    def done(self) -> bool:
        """Return whether the result is set, or the task that awaited it was cancelled."""
        ...

    def set_result(self, result: T, /) -> None:
        """Set the result and wake the waiting task."""
        ...

    def __await__(self) -> Generator[Any, Any, T]: ...


class EventLoop(ABC):
    """The running event loop, as seen by the engine.

    Attributes:
        on_error: Called on the loop's thread with an exception that a posted callback raised.
        after_callback: Called on the loop's thread after each callback.
        receives_interrupts: Whether a Ctrl+C may be raised in a task that was spawned. Trio raises it in the main task
            only, and Python in the main thread only.
    """

    receives_interrupts = False

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self.on_error: Callable[[BaseException], None] = _log_error
        self.after_callback: Callable[[], None] = _nothing

    @staticmethod
    def current() -> EventLoop:
        """Return the loop that runs in this thread.

        Raises:
            anyio.NoEventLoopError: If none does.
        """
        token: Any = anyio.lowlevel.current_token().native_token
        if hasattr(token, "run_sync_soon"):
            return TrioLoop(token)
        return AsyncioLoop(token)

    def is_own_thread(self) -> bool:
        """Return whether the caller is on the loop's thread."""
        return threading.get_ident() == self._thread

    @abstractmethod
    def post(self, callback: Callable[[], object]) -> bool:
        """Run a callback on the loop's thread soon; safe from any thread.

        Returns:
            False when the loop has ended, so that the callback will never run.
        """

    @abstractmethod
    def call_soon(self, callback: Callable[[], object]) -> None:
        """Run a callback in the next turn of the loop; on the loop's thread only."""

    @abstractmethod
    def one_shot(self) -> OneShot[Any]:
        """Return a new one-shot result."""

    @abstractmethod
    def spawn(self, coroutine: Callable[[], Coroutine[Any, Any, None]], context: contextvars.Context) -> None:
        """Start a task in `context`. It must not raise; it starts at the next turn of the loop, never at once."""

    @abstractmethod
    def start(self, coroutine: Callable[[], Coroutine[Any, Any, None]], context: contextvars.Context) -> object:
        """Start a task as `spawn` does, for a caller who keeps what this returns until the task has ended.

        Loops hold their tasks weakly, and keeping one alive from here costs a callback at its end.
        """

    def _guarded(self, callback: Callable[[], object]) -> None:
        # An exception in a callback is fatal on trio and lost on asyncio; here it reaches the runner on both.
        try:
            callback()
        except Exception as error:  # noqa: BLE001 - handed on whole
            self.on_error(error)
        self.after_callback()


class AsyncioLoop(EventLoop):
    """asyncio, without its task factory: an eager one would run task bodies inside the engine's callbacks."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        import asyncio  # noqa: PLC0415 - loaded already; trio users don't pay for it

        self._loop = loop
        # Callbacks are the engine's: they keep no submitter's context variables alive.
        self._context = contextvars.copy_context()
        self._task_type = asyncio.Task
        self._tasks: set[asyncio.Task[None]] = set()
        self.receives_interrupts = threading.current_thread() is threading.main_thread()
        self.one_shot = loop.create_future  # type: ignore[method-assign]

    def post(self, callback: Callable[[], object]) -> bool:
        """Run a callback soon; see `EventLoop.post`."""
        try:
            self._loop.call_soon_threadsafe(self._guarded, callback, context=self._context)
        except RuntimeError:
            if self._loop.is_closed():
                return False
            raise
        return True

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Run a callback in the next turn; see `EventLoop.call_soon`."""
        self._loop.call_soon(self._guarded, callback, context=self._context)

    def one_shot(self) -> OneShot[Any]:
        """Return a new one-shot result."""
        return self._loop.create_future()

    def spawn(self, coroutine: Callable[[], Coroutine[Any, Any, None]], context: contextvars.Context) -> None:
        """Start a task; see `EventLoop.spawn`."""
        task = self.start(coroutine, context)
        # The loop keeps only weak references to its tasks.
        self._tasks.add(task)
        task.add_done_callback(self._task_ended, context=context)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self.on_error(error)

    def start(
        self, coroutine: Callable[[], Coroutine[Any, Any, None]], context: contextvars.Context
    ) -> asyncio.Task[None]:
        """Start a task; see `EventLoop.start`."""
        return self._task_type(coroutine(), loop=self._loop, context=context)


class TrioLoop(EventLoop):
    """trio, with system tasks: they are shielded from Ctrl+C, and the runner joins them itself."""

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        super().__init__()
        import trio  # noqa: PLC0415 - an optional dependency

        self._token = token
        self._finished = trio.RunFinishedError
        self._spawn = trio.lowlevel.spawn_system_task

    def post(self, callback: Callable[[], object]) -> bool:
        """Run a callback soon; see `EventLoop.post`."""
        try:
            self._token.run_sync_soon(self._guarded, callback)
        except self._finished:
            return False
        return True

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Run a callback in the next turn; see `EventLoop.call_soon`."""
        self._token.run_sync_soon(self._guarded, callback)

    def one_shot(self) -> OneShot[Any]:
        """Return a new one-shot result."""
        return _TrioOneShot()

    def spawn(self, coroutine: Callable[[], Coroutine[Any, Any, None]], context: contextvars.Context) -> None:
        """Start a task; see `EventLoop.spawn`."""
        self._spawn(coroutine, context=context)

    def start(self, coroutine: Callable[[], Coroutine[Any, Any, None]], context: contextvars.Context) -> object:
        """Start a task; see `EventLoop.start`."""
        return self._spawn(coroutine, context=context)


class _TrioOneShot(Generic[T]):
    """A one-shot result on trio's own primitive, `wait_task_rescheduled`."""

    __slots__ = ("_done", "_result", "_task")

    _result: T

    def __init__(self) -> None:
        self._done = False
        self._task: trio.lowlevel.Task | None = None

    def done(self) -> bool:
        return self._done

    def set_result(self, result: T, /) -> None:
        self._done = True
        self._result = result
        if self._task is not None:
            import trio  # noqa: PLC0415 - an optional dependency, loaded by now

            trio.lowlevel.reschedule(self._task)
            self._task = None

    def __await__(self) -> Generator[Any, Any, T]:
        if not self._done:
            import trio  # noqa: PLC0415 - as above

            self._task = trio.lowlevel.current_task()
            yield from trio.lowlevel.wait_task_rescheduled(self._abort).__await__()  # noqa: ASYNC105 - this is `await`
        return self._result

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        import trio  # noqa: PLC0415 - as above

        self._done = True
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED


def _log_error(error: BaseException) -> None:
    logger.critical("an internal callback failed", exc_info=error)


def _nothing() -> None:
    """Nobody wants to know of callbacks, unless time is virtual."""
