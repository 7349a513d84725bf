"""A virtual clock without a runner: it tells the time, and is moved by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import anyio
import pytest

from cloacina import InvalidOption
from cloacina.testing import VirtualClock


def test_time_starts_at_a_fixed_moment_and_stands_still() -> None:
    clock = VirtualClock()
    assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
    assert clock.time() == clock.now().timestamp()
    assert (clock.monotonic(), clock.elapsed) == (0.0, timedelta(0))


def test_time_starts_where_the_test_says_and_is_told_in_utc() -> None:
    start = datetime(2030, 5, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    clock = VirtualClock(start)
    assert clock.now() == start
    assert clock.now().utcoffset() == timedelta(0)


def test_time_is_moved_by_hand_without_rounding() -> None:
    clock = VirtualClock()
    for _ in range(10):
        clock.advance(0.1)
    clock.advance(timedelta(days=2))
    assert clock.elapsed == timedelta(days=2, seconds=1)
    assert clock.now() == datetime(2026, 1, 3, 0, 0, 1, tzinfo=UTC)
    assert clock.monotonic() == 172_801.0


@pytest.mark.parametrize("duration", [-1, float("inf"), float("nan"), timedelta(seconds=-1)])
def test_time_does_not_go_back_or_end(duration: float | timedelta) -> None:
    with pytest.raises(InvalidOption, match="duration"):
        VirtualClock().advance(duration)


async def test_sleep_without_a_runner_takes_virtual_time_and_can_be_cancelled() -> None:
    clock = VirtualClock()
    await clock.sleep(timedelta(hours=1))
    assert clock.elapsed == timedelta(hours=1)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await clock.sleep(1)
    assert scope.cancelled_caught


async def test_without_a_runner_everything_has_settled() -> None:
    clock = VirtualClock()
    await clock.settled()
    assert clock.elapsed == timedelta(0)


def test_start_without_a_time_zone_is_refused() -> None:
    with pytest.raises(InvalidOption, match="time zone"):
        VirtualClock(datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


def test_clock_that_may_never_jump_is_refused() -> None:
    with pytest.raises(InvalidOption, match="max_jumps"):
        VirtualClock(max_jumps=0)


def test_a_clock_shows_its_time() -> None:
    assert repr(VirtualClock()) == "<VirtualClock at 2026-01-01T00:00:00+00:00>"
