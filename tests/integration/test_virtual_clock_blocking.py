"""The blocking `Runner` in virtual time: its callers are in other threads, and time waits for them."""

from __future__ import annotations

import threading
from datetime import timedelta

import anyio
import pytest

from cloacina import BlockingTaskHandle, Context, ExecutionStatus, InvalidOption, Runner, Workflow, task
from cloacina.testing import VirtualClock

HOUR = timedelta(hours=1)


def five_hours(clock: VirtualClock) -> Workflow:
    @task
    def wait(context: Context, handle: BlockingTaskHandle) -> None:
        handle.defer_until(lambda: clock.elapsed >= 5 * HOUR, poll_interval_ms=3_600_000)

    return Workflow("five_hours", tasks=[wait])


def open_stores() -> int:
    return sum(thread.name == "cloacina-writer" for thread in threading.enumerate())


def test_execute_takes_virtual_time() -> None:
    clock = VirtualClock()
    with Runner("sqlite://", clock=clock) as runner:
        runner.execute(five_hours(clock)).raise_for_status()
    assert clock.elapsed == 5 * HOUR


def test_time_stands_still_between_the_calls_of_a_test() -> None:
    clock = VirtualClock()
    with Runner("sqlite://", clock=clock) as runner:
        execution = runner.submit(five_hours(clock))
        for _ in range(50):
            runner.tasks(execution.id)
            threading.Event().wait(0.001)
        assert clock.elapsed == timedelta(0)
        execution.cancel()
        assert execution.wait().status is ExecutionStatus.CANCELLED
    assert clock.elapsed == timedelta(0)


def test_a_bounded_wait_lets_so_much_time_pass() -> None:
    clock = VirtualClock()
    with Runner("sqlite://", clock=clock) as runner:
        execution = runner.submit(five_hours(clock))
        with pytest.raises(TimeoutError):
            execution.wait(timeout=2.5 * HOUR)
        assert clock.elapsed == 2.5 * HOUR
        assert [wait.polls for wait in runner.waits()] == [3]


def test_leaving_the_block_lets_time_pass() -> None:
    clock = VirtualClock()
    with Runner("sqlite://", clock=clock) as runner:
        runner.submit_many(five_hours(clock), [None] * 20)
    assert clock.elapsed == 5 * HOUR


def test_time_is_moved_by_hand_from_another_thread() -> None:
    clock, is_running, go_on = VirtualClock(), threading.Event(), threading.Event()

    @task(timeout=HOUR)
    def work(context: Context) -> None:
        is_running.set()
        go_on.wait()

    with Runner("sqlite://", clock=clock) as runner:
        execution = runner.submit(Workflow("work", tasks=[work]))
        is_running.wait()
        clock.advance(HOUR)
        assert clock.elapsed == HOUR
        error = execution.wait().error
        go_on.set()
    assert error is not None
    assert error.type.endswith("TaskTimeout")


def test_a_task_that_waits_for_a_place_to_park_does_not_hold_time_up() -> None:
    clock = VirtualClock()
    with Runner("sqlite://", max_concurrent_tasks=2, max_blocking_waits=1, clock=clock) as runner:
        runner.submit_many(five_hours(clock), [None] * 4)
    assert clock.elapsed >= 5 * HOUR


def test_a_clock_that_serves_a_loop_in_another_thread_is_refused() -> None:
    clock = VirtualClock()
    with Runner("sqlite://", clock=clock) as runner:
        assert open_stores() == 1
        with pytest.raises(InvalidOption, match="another thread"), Runner("sqlite://", clock=clock):
            pass
        assert open_stores() == 1
        with pytest.raises(InvalidOption, match="another thread"):
            anyio.run(clock.sleep, 1)
        runner.execute(five_hours(clock)).raise_for_status()
