"""Timers on a clock that is set by hand: never early, in order, and taken back at any moment."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given, strategies as st

from cloacina.execution.clock import SystemClock
from cloacina.execution.waiting.timers import CallbackTimer, Timer, Timers

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloacina.execution.event_loop import EventLoop, OneShot


def _nothing() -> None:
    """Do nothing while the clock sleeps."""


class _Loop:
    """Makes results that nobody waits for: the test takes the part of `run`."""

    def one_shot(self) -> Any:
        return _Done()


class _Done:
    def __init__(self) -> None:
        self.is_done = False

    def done(self) -> bool:
        return self.is_done

    def set_result(self, _result: None, /) -> None:
        self.is_done = True


class _ByHand(SystemClock):
    """A clock that stands still until the sleeper is woken at its moment."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.wall_clock_ahead = 0.0
        self.slept_until: list[float] = []
        self.on_sleep: Callable[[], object] = _nothing
        self.timers: Timers | None = None

    def time(self) -> float:
        return self.now + self.wall_clock_ahead

    def monotonic(self) -> float:
        return self.now

    async def sleep_until(self, moment: float, interrupted: OneShot[None]) -> None:
        self.slept_until.append(moment)
        self.on_sleep()
        if interrupted.done():
            return
        assert self.timers is not None
        if moment == float("inf"):
            self.timers.close()
        else:
            self.now = max(self.now, moment)


@pytest.fixture
def clock() -> _ByHand:
    """Return a clock that jumps from moment to moment."""
    return _ByHand()


@pytest.fixture
def timers(clock: _ByHand) -> Timers:
    """Return timers on that clock."""
    made = Timers(clock, cast("EventLoop", _Loop()))
    clock.timers = made
    return made


def _run(timers: Timers) -> None:
    """Run the timers until none is left; nothing in it ever suspends."""
    with pytest.raises(StopIteration):
        timers.run().send(None)


def test_a_timer_fires_once(clock: _ByHand, timers: Timers) -> None:
    fired: list[float] = []
    timers.call_after(0.5, lambda: fired.append(clock.now))
    _run(timers)
    assert len(fired) == 1
    assert len(timers) == 0


@given(delays=st.lists(st.floats(0, 10_000), min_size=1, max_size=50), start=st.floats(0, 1e6))
def test_timers_fire_in_order_never_early_and_late_by_no_more_than_said(delays: list[float], start: float) -> None:
    clock = _ByHand()
    clock.now = start
    timers = Timers(clock, cast("EventLoop", _Loop()))
    clock.timers = timers
    fired: dict[int, float] = {}

    def note(number: int) -> None:
        fired[number] = clock.now

    for number, delay in enumerate(delays):
        timers.call_after(delay, partial(note, number))
    _run(timers)
    assert set(fired) == set(range(len(delays)))
    assert list(fired.values()) == sorted(fired.values())
    for number, delay in enumerate(delays):
        lateness = fired[number] - start - delay
        # A microsecond is the resolution; a millisecond the width of the finest bucket.
        assert -1e-6 <= lateness <= min(0.020, max(0.001, delay / 10)) + 2e-6


def test_a_disarmed_timer_does_not_fire(clock: _ByHand, timers: Timers) -> None:
    fired: list[str] = []
    first = timers.call_after(0.1, lambda: fired.append("first"))
    timers.call_after(0.1, lambda: fired.append("second"))
    timers.disarm(first)
    timers.disarm(first)  # Again is nothing.
    _run(timers)
    assert fired == ["second"]


def test_a_timer_may_be_armed_again(clock: _ByHand, timers: Timers) -> None:
    moments: list[float] = []

    def tick() -> None:
        moments.append(clock.now)
        if len(moments) < 3:
            timers.arm(timer, 1.0)

    timer = CallbackTimer(tick)
    timers.arm(timer, 1.0)
    _run(timers)
    assert moments == pytest.approx([1_001, 1_002, 1_003], abs=0.05)


def test_what_fires_first_may_disarm_what_is_due_at_the_same_moment(timers: Timers) -> None:
    fired: list[str] = []

    def first() -> None:
        fired.append("first")
        timers.disarm(second)

    timers.call_after(1.0, first)
    second = timers.call_after(1.0, lambda: fired.append("second"))
    _run(timers)
    assert fired == ["first"]


def test_what_fires_first_may_put_off_what_is_due_at_the_same_moment(clock: _ByHand, timers: Timers) -> None:
    fired: list[tuple[str, float]] = []

    def first() -> None:
        fired.append(("first", clock.now))
        timers.disarm(second)
        timers.arm(second, 5.0)

    timers.call_after(1.0, first)
    second = timers.call_after(1.0, lambda: fired.append(("second", clock.now)))
    _run(timers)
    assert [name for name, _ in fired] == ["first", "second"]
    assert fired[1][1] - fired[0][1] >= 5.0


def test_an_earlier_timer_interrupts_the_sleep(clock: _ByHand, timers: Timers) -> None:
    fired: list[str] = []
    timers.call_after(60.0, lambda: fired.append("late"))
    pending = [lambda: timers.call_after(1.0, lambda: fired.append("early"))]

    def arm_while_asleep() -> None:
        if pending:
            pending.pop()()

    clock.on_sleep = arm_while_asleep
    _run(timers)
    assert fired == ["early", "late"]
    assert clock.slept_until[0] == pytest.approx(1_060, abs=0.05)
    assert clock.slept_until[1] == pytest.approx(1_001, abs=0.05)


def test_a_later_timer_does_not_interrupt_the_sleep(clock: _ByHand, timers: Timers) -> None:
    fired: list[str] = []
    timers.call_after(1.0, lambda: fired.append("early"))
    pending = [lambda: timers.call_after(60.0, lambda: fired.append("late"))]

    def arm_while_asleep() -> None:
        if pending:
            pending.pop()()

    clock.on_sleep = arm_while_asleep
    _run(timers)
    assert fired == ["early", "late"]
    assert clock.slept_until[:2] == pytest.approx([1_001, 1_060], abs=0.05)


def test_it_is_told_when_a_timer_fires(clock: _ByHand, timers: Timers) -> None:
    timer = timers.call_after(10.0, lambda: None)
    clock.now += 4
    assert timers.remaining(timer) == pytest.approx(6, abs=0.05)
    clock.now += 60
    assert timers.remaining(timer) == 0
    timers.disarm(timer)
    assert timers.remaining(timer) is None


def test_timers_of_one_rhythm_share_their_moments(timers: Timers, clock: _ByHand) -> None:
    random = Random(7)
    for _ in range(1_000):
        clock.now += random.random() / 1_000
        timers.call_after(1.0, lambda: None)
    assert len(timers) == 1_000
    clock.slept_until.clear()
    _run(timers)
    # 1 000 timers that were armed within half a second wake the loop some 25 times.
    assert len(clock.slept_until) <= 40


@pytest.mark.parametrize("armed", [0, 1, 200])
def test_timers_that_were_taken_back_leave_nothing_behind(armed: int, clock: _ByHand, timers: Timers) -> None:
    random = Random(7)
    lasting = [timers.call_after(random.uniform(0, 1e6), _nothing) for _ in range(armed)]
    others: list[Timer] = []
    for _ in range(2_000):
        clock.now += random.random()
        others.append(timers.call_after(random.uniform(0, 1e6), _nothing))
        if random.random() < 0.6:
            timers.disarm(others.pop(random.randrange(len(others))))
            assert len(timers._moments) <= 2 * len(timers) + 64
    for timer in others:
        timers.disarm(timer)
    assert len(timers) == len(lasting)
    assert sum(map(bool, timers._buckets.values())) == len(timers._buckets) <= armed
    assert len(timers._moments) <= 2 * armed + 64


def test_nobody_is_woken_for_timers_that_were_taken_back(clock: _ByHand, timers: Timers) -> None:
    for delay in range(1, 10):
        timers.disarm(timers.call_after(delay, _nothing))
    timers.call_after(20.0, _nothing)
    _run(timers)
    assert clock.slept_until == [pytest.approx(1_020, abs=0.05), float("inf")]


@pytest.mark.parametrize("is_set_after", [0, 9])
@pytest.mark.parametrize("ahead", [-3_600.0, -5.0, 0.01, 5.0, 3_600.0])
def test_a_moment_of_the_wall_clock_follows_it(ahead: float, is_set_after: int, clock: _ByHand, timers: Timers) -> None:
    fired: list[float] = []
    timers.call_at(1_010.0, lambda: fired.append(clock.now))
    other = timers.call_at(1_010.0, lambda: fired.append(-1))

    def set_clock() -> None:
        if not clock.wall_clock_ahead and clock.now >= 1_000 + is_set_after:
            clock.wall_clock_ahead = ahead
            timers.disarm(other)

    clock.on_sleep = set_clock
    _run(timers)
    assert len(timers) == 0
    (moment,) = fired
    due = max(1_000 + is_set_after, 1_010 - ahead)
    assert due - 0.001 <= moment <= due + 1.1  # a look a second, and the width of a bucket


def test_nobody_looks_at_the_wall_clock_without_need(clock: _ByHand, timers: Timers) -> None:
    timers.call_after(20.0, _nothing)
    timers.call_at(1_003.5, _nothing)
    _run(timers)
    assert clock.slept_until == [
        pytest.approx(moment, abs=0.05) for moment in (1_001, 1_002, 1_003, 1_003.5, 1_020)
    ] + [float("inf")]


def test_a_moment_of_the_wall_clock_interrupts_a_long_sleep_for_the_first_look(clock: _ByHand, timers: Timers) -> None:
    timers.call_after(20.0, _nothing)
    pending = [lambda: timers.call_at(2_000.0, _nothing)]

    def arm_while_asleep() -> None:
        if pending:
            timers.disarm(pending.pop()())
            timers.call_at(1_030.0, _nothing)

    clock.on_sleep = arm_while_asleep
    _run(timers)
    assert clock.slept_until[:2] == [pytest.approx(1_020, abs=0.05), pytest.approx(1_001, abs=0.05)]
