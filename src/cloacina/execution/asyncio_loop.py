"""`EventLoop` on asyncio."""

from __future__ import annotations

import asyncio
import contextvars
import os
import sys
import threading
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from cloacina.execution.event_loop import EventLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from cloacina.execution.event_loop import OneShot

_SECONDS_UNTIL_RESTART = 0.05


class AsyncioLoop(EventLoop):
    """asyncio, without its task factory: an eager one would run task bodies inside the engine's callbacks."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        # Callbacks are the engine's: they keep no submitter's context variables alive.
        self._context = contextvars.copy_context()
        self._task_type = asyncio.Task
        self._tasks: set[asyncio.Task[None]] = set()
        self._running_loop = asyncio._get_running_loop  # noqa: SLF001 - exported, and raises nothing
        # Anyio has loaded it, if it is there.
        self._sniffio = sniffio.thread_local if (sniffio := sys.modules.get("sniffio")) else None
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
            if not self._loop.is_closed():
                raise
            # Closed since then; the callback may have been what did that.
            return not self._take_back(callback)
        return True

    def _take_back(self, callback: Callable[[], object]) -> bool:
        try:
            self._posted.remove(callback)
        except ValueError:
            return False
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
        task = asyncio.current_task(self._loop)
        return 0 if task is None else task.cancelling()

    def is_current(self) -> bool:
        """Return whether the caller is on this loop; see `EventLoop.is_current`."""
        # Asyncio knows nothing of a `trio.run` inside of it: for it, the outer loop runs. Trio says so to sniffio.
        return self._running_loop() is self._loop and (self._sniffio is None or self._sniffio.name != "trio")

    def current_task(self) -> object:
        """Return the task that runs; see `EventLoop.current_task`."""
        return asyncio.current_task(self._loop)

    def has_ended(self) -> bool:
        """Return whether the loop is closed."""
        return self._loop.is_closed()

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

    def keep(self, coroutine: Callable[[], Coroutine[Any, Any, None]], context: contextvars.Context) -> None:
        """Start a task that is started anew; see `EventLoop.keep`."""
        task = self.start(coroutine, context)
        self._tasks.add(task)
        task.add_done_callback(partial(self._kept_task_ended, coroutine), context=context)

    def _kept_task_ended(self, coroutine: Callable[[], Coroutine[Any, Any, None]], task: asyncio.Task[None]) -> None:
        self._task_ended(task)
        if task.cancelled() or not isinstance(task.exception(), Exception | None):
            # Not at once: a loop that is about to be closed cancels all its tasks as well, and then this never comes.
            again = partial(self.keep, coroutine, contextvars.copy_context())
            self._loop.call_later(_SECONDS_UNTIL_RESTART, again)

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
