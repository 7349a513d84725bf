"""What the engine needs of an event loop and anyio does not offer, for asyncio and for trio.

Three things, each on the hot path: to post a callback from another thread without waiting for it, to wait on a one-shot
result without a lock or a scope, and to start a task in a given context without a task group's bookkeeping (a parked
task group child costs 4.7 kB on asyncio, a plain task with a scope 2.4 kB). Everything else in Cloacina is written
against anyio. See adr/0002.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio
import anyio.lowlevel

from cloacina.errors import WrongEventLoop
from cloacina.membrane import Log

if TYPE_CHECKING:
    import contextvars
    from collections.abc import Callable, Coroutine, Generator

T = TypeVar("T")

logger = Log("cloacina.execution")


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
        thread: The id of its thread.
        on_error: Called on the loop's thread with an exception that a posted callback raised.
        after_callback: Called on the loop's thread after each callback.
        cancel_scope: Makes a scope, as `anyio.CancelScope` does.
        receives_interrupts: Whether a Ctrl+C may be raised in a task that was spawned. Trio raises it in the main task
            only, and Python in the main thread only.
    """

    receives_interrupts = False

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self._thread_name = threading.current_thread().name
        # The backend's own class: `anyio.CancelScope()` finds out anew each time which one that is.
        self.cancel_scope = type(anyio.CancelScope())
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
            from cloacina.execution.trio_loop import TrioLoop  # noqa: PLC0415 - an optional dependency

            return TrioLoop(token)
        from cloacina.execution.asyncio_loop import AsyncioLoop  # noqa: PLC0415 - trio users don't pay for it

        return AsyncioLoop(token)

    @abstractmethod
    def open(self) -> None:
        """Prepare for many callbacks; on the loop's thread only. Everything works without, but takes longer."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what `open` took; on the loop's thread only.

        Callbacks that were posted before still run, and others can still be posted.
        """

    def is_own_thread(self) -> bool:
        """Return whether the caller is on the loop's thread."""
        return threading.get_ident() == self.thread

    @abstractmethod
    def is_current(self) -> bool:
        """Return whether the caller is on this loop, and not on another one inside of it or in another thread."""

    @abstractmethod
    def current_task(self) -> object:
        """Return the task that runs, of those that `start` returns; on the loop's thread only."""

    @abstractmethod
    def has_ended(self) -> bool:
        """Return whether the loop will never run again."""

    def elsewhere(self) -> WrongEventLoop:
        """Return the error for a caller on another loop."""
        if self.has_ended():
            message = (
                "the event loop that this runner was entered on has ended, and the runner with it; enter another one "
                "on this loop, and leave it there"
            )
        else:
            message = (
                f"this runner lives on an event loop of thread {self._thread_name!r}, and was called from another one "
                f"in thread {threading.current_thread().name!r}; call it where it was entered, for instance by "
                "asyncio.run_coroutine_threadsafe or anyio.from_thread.run, enter one of your own here, or use a "
                "Runner, which serves every thread"
            )
        return WrongEventLoop(message)

    def forked(self) -> None:
        """Take no more callbacks. Called in a forked child, where the loop is a copy that shares its wake-ups."""
        self.post = _refuse  # type: ignore[method-assign]

    @abstractmethod
    def post(self, callback: Callable[[], object]) -> bool:
        """Run a callback on the loop's thread soon; safe from any thread.

        Returns:
            False when the loop has ended, so that the callback will never run.
        """

    @abstractmethod
    def call_soon(self, callback: Callable[[], object]) -> None:
        """Run a callback in one of the next turns of the loop, behind the first steps of all tasks started before.

        On the loop's thread only.
        """

    @abstractmethod
    def one_shot(self) -> OneShot[Any]:
        """Return a new one-shot result."""

    @abstractmethod
    def cancellations(self) -> int:
        """Return how often the running task was cancelled, where that can be mistaken for another job's cancellation.

        Asyncio raises the same exception in who awaits a job that was cancelled.
        """

    @abstractmethod
    def spawn(self, coroutine: Callable[[], Coroutine[Any, Any, None]], context: contextvars.Context) -> None:
        """Start a task in `context`, at the next turn of the loop, never at once.

        An exception that it raises is handed to `on_error`.
        """

    def keep(self, coroutine: Callable[[], Coroutine[Any, Any, None]], context: contextvars.Context) -> None:
        """Start a task as `spawn` does, and start it anew if somebody else cancels it before it has returned."""
        self.spawn(coroutine, context)

    @abstractmethod
    def start(self, coroutine: Callable[[], Coroutine[Any, Any, None]], context: contextvars.Context) -> object:
        """Start a task as `spawn` does, for a caller who keeps what this returns until the task has ended.

        Loops hold their tasks weakly, and keeping one alive from here costs a callback at its end. It must not raise:
        an exception would be lost on asyncio, and end the loop on trio.
        """

    def _guarded(self, callback: Callable[[], object]) -> None:
        # An exception in a callback is fatal on trio and lost on asyncio; here it reaches the runner on both.
        try:
            callback()
        except Exception as error:  # noqa: BLE001 - handed on whole
            self.on_error(error)
        self.after_callback()


def _refuse(callback: Callable[[], object]) -> bool:  # noqa: ARG001 - the signature of `EventLoop.post`
    return False


def _log_error(error: BaseException) -> None:
    logger.critical("an internal callback failed", exc_info=error)


def _nothing() -> None:
    """Nobody wants to know of callbacks, unless time is virtual."""
