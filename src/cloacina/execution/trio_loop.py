"""`EventLoop` on trio."""

from __future__ import annotations

import contextvars
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import trio

from cloacina.execution.event_loop import EventLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from cloacina.execution.event_loop import OneShot

T = TypeVar("T")


class TrioLoop(EventLoop):
    """trio, with system tasks: they are shielded from Ctrl+C, and the runner joins them itself."""

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        super().__init__()
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

    def is_current(self) -> bool:
        """Return whether the caller is on this loop; see `EventLoop.is_current`."""
        try:
            return trio.lowlevel.current_trio_token() is self._token and not _is_inside_asyncio()
        except RuntimeError:
            return False

    def current_task(self) -> object:
        """Return the task that runs; see `EventLoop.current_task`."""
        return trio.lowlevel.current_task()

    def has_ended(self) -> bool:
        """Return whether trio has ended."""
        return not self.post(_nothing)

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
            trio.lowlevel.reschedule(self._task)
            self._task = None

    def __await__(self) -> Generator[Any, Any, T]:
        if not self._done:
            self._task = trio.lowlevel.current_task()
            yield from trio.lowlevel.wait_task_rescheduled(self._abort).__await__()  # noqa: ASYNC105 - this is `await`
        return self._result

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._done = True
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED


def _is_inside_asyncio() -> bool:
    """Return whether the caller is in a task of asyncio; the callbacks of asyncio that drive a guest are none."""
    asyncio = sys.modules.get("asyncio")
    return (
        asyncio is not None
        and asyncio._get_running_loop() is not None  # noqa: SLF001 - exported, and raises nothing
        and asyncio.current_task() is not None
    )


def _nothing() -> None:
    """Find out whether trio takes callbacks."""
