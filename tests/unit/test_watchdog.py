"""The watchdog: when it looks, and what it takes for a blocked loop."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from cloacina.execution import watchdog
from cloacina.execution.bodies import Bodies
from cloacina.execution.clock import SystemClock
from cloacina.execution.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 20.0


class Loop:
    """An event loop in this thread, with a clock of its own, that answers when it is told to."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.now = 100.0
        self.asked: list[Callable[[], object]] = []
        self.on_post: Callable[[Callable[[], object]], object] = lambda answer: answer()

    def monotonic(self) -> float:
        return self.now

    def post(self, callback: Callable[[], object]) -> bool:
        self.asked.append(callback)
        self.on_post(callback)
        return True


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    made = Loop()
    monkeypatch.setattr(watchdog, "BEARABLE_SECONDS", 0.001)
    monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic=made.monotonic, process_time=lambda: 0.0))
    return made


def watch(loop: Loop, monkeypatch: pytest.MonkeyPatch, processor_time: Callable[[], float] = lambda: 0.0) -> Watchdog:
    monkeypatch.setattr(watchdog, "_processor_clock", lambda _: processor_time)
    return Watchdog(cast("Any", loop), Bodies(SystemClock()))


@pytest.mark.parametrize(
    ("passed", "busy", "is_told"),
    [(0.001, 0.0, True), (60.0, 0.0, False), (60.0, 60.0, True)],
    ids=["the loop alone is late", "the machine slept", "the loop keeps the interpreter to itself"],
)
def test_a_loop_that_does_not_answer_is_blocked_unless_all_stood_still(
    passed: float,
    busy: float,
    is_told: bool,
    loop: Loop,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    processor_time = iter([0.0, busy])
    watching = watch(loop, monkeypatch, lambda: next(processor_time))

    def answer_late(answer: Callable[[], object]) -> None:
        loop.now += passed
        threading.Timer(0.05, answer).start()

    loop.on_post = answer_late
    watching.look()
    assert [record.levelname for record in caplog.records] == ["WARNING"] * is_told
    if is_told:
        assert f"blocked the event loop for {passed:.1f} s" in caplog.text
        assert "in test_a_loop_that_does_not_answer" in caplog.text


def test_a_loop_that_answers_is_not_blocked(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch(loop, monkeypatch).look()
    assert len(loop.asked) == 1
    assert caplog.records == []


def test_a_loop_that_kept_the_watchdog_from_running_is_blocked(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    processor_time = iter([0.0, 5.0])
    watching = watch(loop, monkeypatch, lambda: next(processor_time))
    loop.now += 5.0
    watching.look()
    assert "blocked the event loop for 5.0 s" in caplog.text


def test_what_goes_on_to_block_is_told_once_while_it_does(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watchdog, "_STILL_SECONDS", 0.001)
    loop.on_post = lambda answer: threading.Timer(0.1, answer).start()
    watch(loop, monkeypatch).look()
    (record,) = caplog.records
    assert "has been blocking the event loop for" in record.getMessage()


def test_it_sleeps_while_no_body_is_at_work_and_ends_when_closed(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    asleep, looked = threading.Semaphore(0), threading.Semaphore(0)
    threads: list[threading.Thread] = []

    class Watched(Bodies):
        """Tells when the watchdog begins to sleep."""

        __slots__ = ()

        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value)
            if name == "on_work" and value is not None:
                threads.append(threading.current_thread())
                asleep.release()

    bodies = Watched(SystemClock())
    monkeypatch.setattr(watchdog, "_processor_clock", lambda _: lambda: 0.0)
    watching = Watchdog(cast("Any", loop), bodies)
    assert asleep.acquire(timeout=PATIENCE_SECONDS)  # No thread yet: the first body starts it.

    def answer(callback: Callable[[], object]) -> None:
        callback()
        looked.release()

    loop.on_post = answer
    for _ in range(2):
        bodies.go_on()
        assert looked.acquire(timeout=PATIENCE_SECONDS)
        bodies.rest()
        assert asleep.acquire(timeout=PATIENCE_SECONDS)
    watching._bearable = 1_000.0
    bodies.go_on()
    assert looked.acquire(timeout=PATIENCE_SECONDS)
    assert not looked.acquire(timeout=0.05)  # It looks now and then, and not all the time.
    watching.close()
    assert threads[0] is threading.current_thread()
    assert threads[1] is threads[2]
    threads[1].join(PATIENCE_SECONDS)
    assert not threads[1].is_alive()
