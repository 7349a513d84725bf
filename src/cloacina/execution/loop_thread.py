"""An event loop in a thread of its own, for those who call it from other threads and don't await."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import sys
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio

from cloacina.errors import RunnerClosed, WrongEventLoop
from cloacina.execution.thread_call import Uninterrupted
from cloacina.membrane import Log
from cloacina.store.threads import start_daemon

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cloacina.execution.event_loop import EventLoop

T = TypeVar("T")

logger = Log("cloacina.execution")

_SECONDS_BETWEEN_SIGNALS = 1.0

_Reply = queue.SimpleQueue[tuple[Any, BaseException | None]]


class Resident(Protocol):
    """What lives on the loop, and decides for how long there is one."""

    async def open(self) -> EventLoop:
        """Begin, and return the loop."""
        ...

    async def until_left(self) -> None:
        """Return at the end; may be called again and again."""
        ...

    def abandon(self) -> None:
        """Hear that the loop has ended before that. Called in the thread that it had."""
        ...

    def closed(self) -> RunnerClosed:
        """Return the error for a call after the end."""
        ...


class LoopThread:
    """An asyncio event loop in a thread of its own.

    The thread keeps no process from ending, and nothing happens to it then: whoever forgets the end of its resident is
    not punished by a process that hangs.

    Args:
        resident: What lives on the loop.
    """

    def __init__(self, resident: Resident) -> None:
        self._resident = resident
        self._opened: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        # Who waits, for the case that the loop ends; and how many of their calls run, on which the end waits.
        self._replies: set[_Reply] = set()
        self._answering = 0
        self._is_told: anyio.Event | None = None
        self._is_open = False

    def start(self) -> BaseException | None:
        """Start the thread; return when the resident is open.

        Returns:
            What interrupted the waiting for that, such as Ctrl+C.

        Raises:
            ThreadUnavailable: The system lets no further thread start.
            BaseException: What kept the resident from opening.
        """
        self._thread = start_daemon(self._run, "cloacina-runner")
        failure, interruption = complete(partial(_receive, self._opened))
        if failure is not None:
            raise failure
        return interruption

    def call(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Await a function on the loop, with the context variables of the caller; return what it returns.

        Raises:
            RunnerClosed: The loop has ended.
            WrongEventLoop: It would wait for itself: it is called on the loop.
        """
        if threading.get_ident() == self._thread.ident:
            raise _on_itself()
        reply: _Reply = queue.SimpleQueue()
        self._replies.add(reply)
        answer = partial(self._answer, partial(function, *args), reply)
        if not self._loop.post(partial(self._loop.spawn, answer, contextvars.copy_context())):
            self._replies.discard(reply)
            self._thread.join()  # The resident may be about to hear of the end. In a forked child there is no thread.
            raise self._resident.closed()
        del answer
        value, error = _receive(reply)
        if error is None:
            return value  # type: ignore[no-any-return]
        try:
            raise error
        finally:
            del error  # a frame and its exception that refer to each other live until the garbage collector comes

    def join(self) -> None:
        """Wait until the thread has ended: soon after its resident."""
        while self._thread.is_alive():
            self._thread.join(_SECONDS_BETWEEN_SIGNALS)

    # ── In the thread ────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self._run_to_the_end(runner.get_loop())
        except BaseException as error:
            if self._is_open:
                logger.critical("the event loop of a runner has ended before the runner was left", exc_info=error)
            self._opened.put(error)
        self._resident.abandon()
        for reply in list(self._replies):
            reply.put((None, self._resident.closed()))

    def _run_to_the_end(self, loop: asyncio.AbstractEventLoop) -> None:
        serving = loop.create_task(self._serve())
        while not serving.done():
            try:
                loop.run_until_complete(serving)
            except BaseException as error:
                if serving.done():
                    raise
                # By `loop.stop()`, or by SystemExit or KeyboardInterrupt in a task that a body has started.
                logger.warning("code on a runner's event loop has tried to end the loop, which goes on", exc_info=error)

    async def _serve(self) -> None:
        _say_that_this_is_asyncio()
        self._loop = await self._resident.open()
        self._is_open = True
        self._opened.put(None)
        uninterrupted = Uninterrupted()
        await uninterrupted.complete(self._resident.until_left, lambda: False)
        await uninterrupted.complete(self._until_all_are_told, lambda: False)

    async def _until_all_are_told(self) -> None:
        while self._answering:
            self._is_told = anyio.Event()
            await self._is_told.wait()

    async def _answer(self, function: Callable[[], Awaitable[Any]], reply: _Reply) -> None:
        value: Any = None
        error: BaseException | None = None
        self._answering += 1
        _say_that_this_is_asyncio()
        try:
            value = await function()
        except asyncio.CancelledError as cancelled:
            # By code that cancels all tasks it finds; nobody else has this one.
            error = _cancelled(cancelled)
        except BaseException as raised:  # noqa: BLE001 - raised in the thread that called
            error = raised
        self._answering -= 1
        self._replies.discard(reply)
        reply.put((value, error))
        del error
        if self._is_told is not None:
            self._is_told.set()


def complete(wait: Callable[[], T]) -> tuple[T, BaseException | None]:
    """Wait to the end, whatever signal handlers raise meanwhile; return that as well, to be raised afterwards.

    Args:
        wait: Called anew after each interruption; it goes on where it was.
    """
    interruption: BaseException | None = None
    while True:
        try:
            # Python looks for signals where a loop begins anew, too. So there are two, and the outer one catches what
            # comes there.
            while True:
                try:
                    return wait(), interruption
                except Exception:
                    raise
                except BaseException as error:  # noqa: BLE001 - returned
                    interruption = error
        except Exception:
            raise
        except BaseException as error:  # noqa: BLE001 - returned
            interruption = error


def _receive(box: queue.SimpleQueue[T]) -> T:
    """Wait for what is put into a box.

    Python handles signals in the main thread only, and a signal that comes just before the thread begins to wait does
    not end that: so it does not wait for ever at once.
    """
    if threading.current_thread() is not threading.main_thread():
        return box.get()
    while True:
        with suppress(queue.Empty):
            return box.get(timeout=_SECONDS_BETWEEN_SIGNALS)


def _say_that_this_is_asyncio() -> None:
    """Correct what context variables say of the loop: a caller's name the loop that the caller is on."""
    if (sniffio := sys.modules.get("sniffio")) is not None:
        sniffio.current_async_library_cvar.set("asyncio")


def _cancelled(cause: BaseException) -> RunnerClosed:
    error = RunnerClosed("this call was cancelled on the runner's own event loop, by code of one of the runner's tasks")
    error.__cause__ = cause
    return error


def _on_itself() -> WrongEventLoop:
    message = (
        "this Runner was called on its own event loop, which would wait for itself; call it from a `def` task, or use "
        "an AsyncRunner in `async def` code"
    )
    return WrongEventLoop(message)
