"""Time that passes at once when nothing else can happen, for tests of workflows that wait."""

from __future__ import annotations

import contextvars
import math
import threading
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio.lowlevel

from cloacina.errors import InvalidOption
from cloacina.execution.clock import Clock
from cloacina.execution.event_loop import EventLoop
from cloacina.retry import seconds as checked_seconds
from cloacina.testing.settling import settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloacina.execution.event_loop import OneShot

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When virtual time starts, unless a test says otherwise: a Thursday."""

_MICROSECONDS = 1_000_000


class VirtualClock(Clock):
    """A clock that jumps to the next wake-up as soon as nothing else can happen.

    Pass it to a runner. A wait of three days with a poll each hour then takes milliseconds; timeouts, deadlines and the
    delays of retries pass as fast, for `def` and for `async def` tasks. Time moves only when

    - every task is in a wait, has ended or has not begun: never while the body of one runs,
    - no task queues for a slot,
    - no condition is being called, and nothing is on its way to or from a thread or the database,
    - and every other task on the event loop, such as the test itself, awaits something.

    So things happen in the same order each time. What a task awaits by itself, such as `anyio.sleep(1)` or an HTTP
    request, takes the real time that it takes, and virtual time stands still meanwhile. A task's own `timeout` counts
    the time in which it holds a slot: that passes by `advance` only.

    What the test awaits by itself is not seen, nor what another process does: time goes on under a test that awaits
    `anyio.sleep(1)`, a thread or a subprocess. `auto=False` is for such a test.

    With `Runner`, whose callers are in other threads, time passes only while one of them waits for an execution, or for
    the end of the `with` block. To let an hour pass there, wait with `execution.wait(timeout=3600)`.

    `set_wall_clock` plays what happens to the clocks of machines: somebody sets them, or the machine sleeps.

    A clock goes on where it was when it is passed to another runner. Several runners at once have to be on one event
    loop.

    Args:
        start: The moment at which it starts, with a time zone. Default: the first of January 2026, UTC.
        auto: Whether time jumps by itself. If not, it moves by `advance` only.
        max_jumps: How often time may jump by itself before the runner gives up with an `AssertionError`: in a test, a
            wait that never ends has to end.

    Raises:
        InvalidOption: `start` has no time zone, or `max_jumps` is below 1.

    Example:
        ```python
        from datetime import timedelta

        from cloacina import BlockingTaskHandle, Context, Runner, Workflow, task
        from cloacina.testing import VirtualClock

        clock = VirtualClock()
        opening = clock.now() + timedelta(days=3)

        with Workflow("box_office") as box_office:

            @task
            def wait_for_opening(context: Context, handle: BlockingTaskHandle) -> None:
                handle.defer_until(lambda: clock.now() >= opening, poll_interval_ms=3_600_000)

        with Runner("sqlite://", clock=clock) as runner:
            runner.execute(box_office).raise_for_status()
        print(clock.elapsed)
        #> 3 days, 0:00:00
        ```
    """

    seconds_between_looks = None

    def __init__(self, start: datetime = START, *, auto: bool = True, max_jumps: int = 100_000) -> None:
        if max_jumps < 1:
            message = f"max_jumps is a whole number of at least 1; got {max_jumps!r}"
            raise InvalidOption(message)
        self._start = _with_zone(start, "virtual time starts at")
        self._auto = auto
        self._jumps_left = self._max_jumps = max_jumps
        self._elapsed = 0  # microseconds
        self._loop: EventLoop | None = None
        self._runners: list[Callable[[], bool]] = []
        self._sleepers: dict[OneShot[None], float] = {}  # by what wakes them: when, in microseconds
        self._settlers: list[OneShot[None]] = []
        self._is_conducting = False
        self._variables = contextvars.copy_context()

    def __repr__(self) -> str:
        return f"<VirtualClock at {self.now().isoformat()}>"

    # ── The time ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def now(self) -> datetime:
        """Return the virtual moment, in UTC: the start and what has passed since, unless the clock was set."""
        return self._start + self.elapsed

    @property
    def elapsed(self) -> timedelta:
        """How much virtual time has passed since the start."""
        return timedelta(microseconds=self._elapsed)

    def time(self) -> float:
        """Return the virtual moment in seconds since the epoch (UTC)."""
        return self.now().timestamp()

    def monotonic(self) -> float:
        """Return the virtual seconds since the start."""
        return self._elapsed / _MICROSECONDS

    # ── For tests ────────────────────────────────────────────────────────────────────────────────────────────────────

    def advance(self, duration: float | timedelta) -> None:
        """Move time by hand, at once, whatever is going on. What is due by then happens next, once.

        Callable from a test, a task or a condition, in any thread. A task that advances the clock takes so long.

        Args:
            duration: Seconds, or a timedelta.

        Raises:
            InvalidOption: The duration is negative or not finite.
        """
        step = round(checked_seconds(duration, "duration") * _MICROSECONDS)
        self._change(lambda: self._move(self._elapsed + step))

    def set_wall_clock(self, moment: datetime) -> None:
        """Set the clock to a moment, as a person or a time server does. No virtual time passes by that.

        So `now()` changes and `elapsed` does not: deadlines come earlier or later, and timeouts, polls and delays do
        not. A machine that sleeps for an hour is played by `clock.set_wall_clock(clock.now() + timedelta(hours=1))`.

        Callable from a test, a task or a condition, in any thread.

        Args:
            moment: What the clock shows from now on; a datetime with a time zone.

        Raises:
            InvalidOption: The moment has no time zone.
        """
        shown = _with_zone(moment, "the wall clock is set to")
        self._change(lambda: self._set(shown))

    def _change(self, change: Callable[[], None]) -> None:
        """Change the time on the loop's thread, and return when that is done."""
        if self._loop is None or self._loop.is_own_thread():
            change()
            return
        changed = threading.Event()

        def change_and_tell() -> None:
            change()
            changed.set()

        if self._loop.post(change_and_tell):
            changed.wait()
        else:
            change()

    async def sleep(self, duration: float | timedelta) -> None:
        """Let virtual time pass, in a test: return when so much of it has, and everything due by then has begun.

        Not for a task: while the body of one runs, time stands still.

        Args:
            duration: Seconds, or a timedelta.

        Raises:
            InvalidOption: The duration is negative or not finite, or the clock's runner lives on another event loop.
        """
        span = checked_seconds(duration, "duration")
        loop = self._on_this_loop()
        if not self._runners:
            self.advance(span)
            await anyio.lowlevel.checkpoint()
            return
        moment = self.monotonic() + span
        while self.monotonic() < moment:
            await self.sleep_until(moment, loop.one_shot())
        await self.settled()

    async def settled(self) -> None:
        """Return when nothing can happen any more without the passing of time, and before it passes.

        With `auto=False`: everything that `advance` has made due is done. Otherwise: a moment between two jumps, at
        which every task is in a wait, has ended or has not begun.

        Raises:
            InvalidOption: The clock's runner lives on another event loop.
        """
        loop = self._on_this_loop()
        if not self._runners:
            await anyio.lowlevel.checkpoint()
            return
        reached: OneShot[None] = loop.one_shot()
        self._settlers.append(reached)
        try:
            self.reconsider()
            await reached
        finally:
            if reached in self._settlers:
                self._settlers.remove(reached)

    async def jump(self) -> bool:
        """Let virtual time pass until something is due, and return when that has begun; for `cloacina.testing`.

        Returns:
            False when nothing ever is, or time moves by `advance` only.

        Raises:
            AssertionError: Time has jumped `max_jumps` times.
        """
        if not self._jumps_left:
            raise self._exhausted()
        moment = self._next_jump()
        if moment is None:
            return False
        await self.sleep_until(moment / _MICROSECONDS, self._on_this_loop().one_shot())
        return True

    # ── For runners ──────────────────────────────────────────────────────────────────────────────────────────────────

    def watch(self, loop: EventLoop, is_idle: Callable[[], bool]) -> Callable[[], None]:
        """Wait for a runner to be idle, before time moves.

        Raises:
            InvalidOption: The clock serves a runner on another event loop now.
        """
        if self._runners and self._loop is not None and not self._loop.is_own_thread():
            raise self._elsewhere()
        self._loop = loop
        self._runners.append(is_idle)
        loop.after_callback = self.reconsider
        return partial(self._forget, is_idle)

    async def sleep_until(self, moment: float, interrupted: OneShot[None]) -> None:
        """Return at a moment of `monotonic()`, or as soon as `interrupted` is set or the wall clock is.

        Raises:
            AssertionError: Time has jumped `max_jumps` times.
        """
        due = moment if math.isinf(moment) else round(moment * _MICROSECONDS)
        if due <= self._elapsed:
            return
        self._sleepers[interrupted] = due
        try:
            self.reconsider()
            await interrupted
        finally:
            del self._sleepers[interrupted]
        if not self._jumps_left:
            raise self._exhausted()

    def reconsider(self) -> None:
        """Move time, or tell that everything has settled, if nothing else can happen. Called on the loop's thread."""
        if not self._is_conducting and self._loop is not None and self._is_wanted() and self._is_idle():
            self._is_conducting = True
            self._loop.spawn(partial(self._conduct, self._loop), self._variables)

    # ── The jumps ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _conduct(self, loop: EventLoop) -> None:
        """Move time from wake-up to wake-up for as long as nothing else can happen; whoever ends that reconsiders."""
        try:
            while self._is_wanted() and self._is_idle():
                await settle(loop)
                if not self._is_idle():
                    break
                if any(woken.done() for woken in self._sleepers):
                    continue  # it has not gone on yet, on a busy loop, and may want to be woken earlier next time
                if self._settlers:
                    for reached in self._settlers:
                        if not reached.done():
                            reached.set_result(None)
                    self._settlers.clear()
                elif (next_moment := self._next_jump()) is not None:
                    self._jumps_left -= 1
                    self._move(next_moment)
        finally:
            self._is_conducting = False

    def _is_wanted(self) -> bool:
        return bool(self._settlers) or self._next_jump() is not None

    def _is_idle(self) -> bool:
        return all(is_idle() for is_idle in self._runners)

    def _next_jump(self) -> int | None:
        if not self._auto or not self._jumps_left or not self._sleepers:
            return None
        moment = min(self._sleepers.values())
        return None if math.isinf(moment) else int(moment)

    def _move(self, moment: int) -> None:
        self._elapsed = max(self._elapsed, moment)
        for woken, due in self._sleepers.items():
            if (due <= self._elapsed or not self._jumps_left) and not woken.done():
                woken.set_result(None)

    def _set(self, moment: datetime) -> None:
        self._start = moment - self.elapsed
        for woken in self._sleepers:
            if not woken.done():
                woken.set_result(None)

    def _exhausted(self) -> AssertionError:
        message = (
            f"virtual time has jumped {self._max_jumps} times, by {self.elapsed} in all, and something still waits;"
            " let its condition come true, give it a timeout=, poll less often, or allow more with"
            " VirtualClock(max_jumps=…)"
        )
        return AssertionError(message)

    def _on_this_loop(self) -> EventLoop:
        if not self._runners or self._loop is None:
            return EventLoop.current()
        if not self._loop.is_own_thread():
            raise self._elsewhere()
        return self._loop

    @staticmethod
    def _elsewhere() -> InvalidOption:
        message = (
            "this virtual clock serves a runner on an event loop in another thread; make another clock, or, beside a "
            "Runner, let time pass with execution.wait(timeout=…)"
        )
        return InvalidOption(message)

    def _forget(self, is_idle: Callable[[], bool]) -> None:
        self._runners.remove(is_idle)
        if not self._runners:
            self._loop = None
        self.reconsider()


def _with_zone(moment: datetime, what: str) -> datetime:
    if moment.utcoffset() is None:
        message = f"{what} a datetime with a time zone, such as {START!r}; got {moment!r}"
        raise InvalidOption(message)
    return moment.astimezone(UTC)
