"""What the engine needs of an event loop and anyio does not offer, for asyncio and for trio.

Three things, each on the hot path: to post a callback from another thread without waiting for it, to wait on a one-shot
result without a lock or a scope, and to start a task in a given context without a task group's bookkeeping (a parked
task group child costs 4.7 kB on asyncio, a plain task with a scope 2.4 kB). Everything else in Cloacina is written
against anyio. See adr/0002.
"""

from __future__ import annotations

import contextvars
import os
import threading
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import anyio
import anyio.lowlevel

from cloacina.membrane import Log

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Generator

    import trio

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
            return TrioLoop(token)
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


class AsyncioLoop(EventLoop):
    """asyncio, without its task factory: an eager one would run task bodies inside the engine's callbacks."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        import asyncio  # noqa: PLC0415 - loaded already; trio users don't pay for it

        self._loop = loop
        # Callbacks are the engine's: they keep no submitter's context variables alive.
        self._context = contextvars.copy_context()
        self._task_type = asyncio.Task
        self._current_task = asyncio.current_task
        self._tasks: set[asyncio.Task[None]] = set()
        self._bell: _Bell | None = None
        self._posted: deque[Callable[[], object]] = deque()
        self.receives_interrupts = threading.current_thread() is threading.main_thread()
        self.one_shot = loop.create_future  # type: ignore[method-assign]

    def open(self) -> None:
        """Let posts ring a bell of their own, where the system and the loop have such: see `_Bell`."""
        if hasattr(os, "eventfd"):
            bell = _Bell()
            with suppress(NotImplementedError):  # By a loop that watches no descriptors.
                self._loop.add_reader(bell.descriptor, self._answer, bell)
                self._bell = bell

    def close(self) -> None:
        """Put the bell away; see `EventLoop.close`."""
        bell, self._bell = self._bell, None
        if bell is not None:
            self._loop.remove_reader(bell.descriptor)
            self._run_posted()

    def post(self, callback: Callable[[], object]) -> bool:
        """Run a callback soon; see `EventLoop.post`."""
        # Called by the garbage collector too, between any two instructions: so there is no lock.
        if self._loop.is_closed():
            return False
        self._posted.append(callback)
        if (bell := self._bell) is not None:
            bell.ring()
            if self._bell is bell:
                return True
            # Put away meanwhile, perhaps before the callback was there: so it is seen to in the other way as well.
        try:
            self._loop.call_soon_threadsafe(self._run_posted, context=self._context)
        except RuntimeError:
            if self._loop.is_closed():
                return False
            raise
        return True

    def _answer(self, bell: _Bell) -> None:
        try:
            # Silent first: what is posted from now on rings again.
            bell.silence()
            self._run_posted()
        except BaseException:
            # Ctrl+C, which takes one callback with it and not those behind it.
            self._loop.call_soon(self._run_posted, context=self._context)
            raise

    def _run_posted(self) -> None:
        # Those that are there now: the loop gets its turn before those that they post.
        for _ in range(len(self._posted)):
            if not self._posted:
                break
            self._guarded(self._posted.popleft())

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Run a callback in the next turn; see `EventLoop.call_soon`."""
        self._loop.call_soon(self._guarded, callback, context=self._context)

    def one_shot(self) -> OneShot[Any]:
        """Return a new one-shot result."""
        return self._loop.create_future()

    def cancellations(self) -> int:
        """Return how often `cancel` of the running task was called, and was not taken back."""
        task = self._current_task(self._loop)
        return 0 if task is None else task.cancelling()

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


class _Bell:
    """Wakes an asyncio loop from another thread, by Linux's descriptor for that.

    asyncio's own way is a pair of sockets, a handle for each call, and two reads with an exception at the end of each
    wake-up. (Measured: 4 µs more than this for each call, and 8 µs when the loop is on another core.)

    It is closed when nobody refers to it any more: a descriptor that was closed while another thread is about to write
    to it may be anyone's by then.
    """

    __slots__ = ("descriptor",)

    def __init__(self) -> None:
        self.descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def ring(self) -> None:
        os.eventfd_write(self.descriptor, 1)

    def silence(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self.descriptor)

    def __del__(self) -> None:
        os.close(self.descriptor)


class TrioLoop(EventLoop):
    """trio, with system tasks: they are shielded from Ctrl+C, and the runner joins them itself."""

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        super().__init__()
        import trio  # noqa: PLC0415 - an optional dependency

        self._token = token
        self._finished = trio.RunFinishedError
        self._spawn = trio.lowlevel.spawn_system_task
        self._due: deque[Callable[[], object]] = deque()
        # What the task that runs them waits for; None when there is no such task.
        self._turn: OneShot[None] | None = None

    def open(self) -> None:
        """Start a task for what `call_soon` is given: waking one is cheaper than the way in from other threads."""
        self._turn = turn = self.one_shot()
        self._spawn(self._run_turns, turn, context=contextvars.copy_context())

    def close(self) -> None:
        """End that task; see `EventLoop.close`."""
        turn, self._turn = self._turn, None
        if turn is not None and not turn.done():
            turn.set_result(None)

    def post(self, callback: Callable[[], object]) -> bool:
        """Run a callback soon; see `EventLoop.post`."""
        try:
            self._token.run_sync_soon(self._guarded, callback)
        except self._finished:
            return False
        return True

    def call_soon(self, callback: Callable[[], object]) -> None:
        """Run a callback in the next turn; see `EventLoop.call_soon`."""
        if self._turn is None:
            # Twice, for the reason that `_run_turns` gives.
            self._token.run_sync_soon(self._token.run_sync_soon, self._guarded, callback)
            return
        self._due.append(callback)
        if not self._turn.done():
            self._turn.set_result(None)

    async def _run_turns(self, turn: OneShot[None]) -> None:
        import trio  # noqa: PLC0415 - an optional dependency, loaded by now

        is_open = True
        while is_open:
            await turn
            is_open = self._turn is turn
            if is_open:
                self._turn = turn = self.one_shot()
            due, self._due = self._due, deque()
            # Trio runs what is due in one turn in random order: a task that was started in this turn has its first
            # step in the next one, and these come behind it. (Measured: without that, every other no-op task was
            # stored in two transactions.)
            await trio.lowlevel.cancel_shielded_checkpoint()
            await trio.lowlevel.cancel_shielded_checkpoint()
            for callback in due:
                self._guarded(callback)

    def one_shot(self) -> OneShot[Any]:
        """Return a new one-shot result."""
        return _TrioOneShot()

    def cancellations(self) -> int:
        """Return 0: only trio itself can make a `Cancelled`."""
        return 0

    def spawn(self, coroutine: Callable[[], Coroutine[Any, Any, None]], context: contextvars.Context) -> None:
        """Start a task; see `EventLoop.spawn`."""
        self._spawn(self._reporting, coroutine, context=context)

    async def _reporting(self, coroutine: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await coroutine()
        except Exception as error:  # noqa: BLE001 - it would end the loop
            self.on_error(error)

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
