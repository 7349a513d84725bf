"""What the engine asks of an event loop: that no callback is lost, and none comes before tasks that were started."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from cloacina.execution.asyncio_loop import AsyncioLoop
from cloacina.execution.event_loop import EventLoop

PATIENCE_SECONDS = 20.0

pytestmark = pytest.mark.anyio

on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
needs_eventfd = pytest.mark.skipif(not hasattr(os, "eventfd"), reason="the system has no event descriptors")


@pytest.fixture(params=["open", "not open", "open without event descriptors"])
def state(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "open without event descriptors":
        monkeypatch.delattr(os, "eventfd", raising=False)
    found: str = request.param
    return found


@contextmanager
def current(state: str = "open") -> Generator[EventLoop]:
    loop = EventLoop.current()
    if state == "not open":
        yield loop
        return
    loop.open()
    try:
        yield loop
    finally:
        loop.close()


async def until(claim: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE_SECONDS):
        while not claim():
            await anyio.sleep(0.001)


async def posted_by_threads(loop: EventLoop, each: int, meanwhile: Callable[[], Awaitable[None]]) -> list[list[int]]:
    """Return what arrives of numbers that four threads post, by thread, in the order of arrival."""
    arrived: list[list[int]] = [[] for _ in range(4)]
    unexpected: list[int] = []

    def post(thread: int) -> None:
        unexpected.extend(number for number in range(each) if not loop.post(partial(arrived[thread].append, number)))

    threads = [threading.Thread(target=post, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        await meanwhile()
    await until(lambda: sum(map(len, arrived)) >= 4 * each)
    assert not unexpected
    return arrived


async def test_everything_that_threads_post_arrives_once_and_in_order(state: str) -> None:
    with current(state) as loop:
        arrived = await posted_by_threads(loop, 500, anyio.lowlevel.checkpoint)

    assert arrived == [list(range(500))] * 4


@on_asyncio
async def test_nothing_posted_is_lost_while_the_loop_is_opened_and_closed() -> None:
    loop = EventLoop.current()
    assert isinstance(loop, AsyncioLoop)

    async def open_and_close() -> None:
        loop.open()
        await anyio.lowlevel.checkpoint()
        loop.close()

    arrived = await posted_by_threads(loop, 500, open_and_close)

    assert arrived == [list(range(500))] * 4


async def test_callbacks_run_on_the_loops_thread(state: str) -> None:
    threads: list[int] = []
    with current(state) as loop:
        await anyio.to_thread.run_sync(loop.post, lambda: threads.append(threading.get_ident()))
        loop.post(lambda: threads.append(threading.get_ident()))
        loop.call_soon(lambda: threads.append(threading.get_ident()))
        await until(lambda: len(threads) == 3)

    assert set(threads) == {threading.get_ident()}


async def test_callback_that_raises_is_reported_and_takes_no_other_with_it(state: str) -> None:
    errors: list[BaseException] = []
    arrived: list[str] = []
    with current(state) as loop:
        loop.on_error = errors.append
        for way in (loop.post, loop.call_soon):
            way(partial(arrived.append, "before"))
            way(lambda: 1 / 0)
            way(partial(arrived.append, "after"))
        await until(lambda: len(arrived) == 4)

    assert arrived.count("after") == 2
    assert [type(error) for error in errors] == [ZeroDivisionError] * 2


async def test_task_that_raises_is_reported(state: str) -> None:
    errors: list[BaseException] = []

    async def fail() -> None:
        await anyio.lowlevel.checkpoint()
        raise ZeroDivisionError

    with current(state) as loop:
        loop.on_error = errors.append
        loop.spawn(fail, contextvars.copy_context())
        await until(lambda: bool(errors))

    assert [type(error) for error in errors] == [ZeroDivisionError]


async def test_callback_comes_behind_the_first_steps_of_the_tasks_started_before(state: str) -> None:
    steps: list[str] = []
    kept: list[object] = []

    async def body() -> None:
        steps.append("body")

    def start() -> None:
        kept.append(loop.start(body, contextvars.copy_context()))
        loop.call_soon(partial(steps.append, "callback"))

    with current(state) as loop:
        for number in range(1, 31):  # Trio's order is random: once would prove nothing.
            loop.post(start)
            await until(lambda number=number: len(steps) == 2 * number)  # type: ignore[misc]

    assert steps == ["body", "callback"] * 30


async def test_callback_that_is_due_when_the_loop_is_closed_still_runs() -> None:
    arrived: list[str] = []
    with current() as loop:
        loop.call_soon(partial(arrived.append, "soon"))
        loop.post(partial(arrived.append, "posted"))
    loop.call_soon(partial(arrived.append, "late"))
    loop.post(partial(arrived.append, "posted late"))
    await until(lambda: len(arrived) == 4)

    assert set(arrived) == {"soon", "posted", "late", "posted late"}


@pytest.mark.parametrize("is_open", [True, False])
def test_post_tells_that_the_loop_has_ended(is_open: bool, anyio_backend: str) -> None:
    async def leave() -> EventLoop:
        loop = EventLoop.current()
        if is_open:
            loop.open()
        return loop

    assert anyio.run(leave, backend=anyio_backend).post(print) is False


@needs_eventfd
def test_post_tells_that_a_callback_ran_which_was_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    write, opened = os.eventfd_write, threading.Event()
    loops: list[EventLoop] = []
    arrived: list[str] = []

    async def be_open() -> None:
        with current() as loop:
            loops.append(loop)
            opened.set()
            await until(lambda: bool(arrived))

    def ring(descriptor: int, value: int) -> None:
        write(descriptor, value)
        running.join(PATIENCE_SECONDS)  # The one who posts goes on when all is over.

    monkeypatch.setattr(os, "eventfd_write", ring)
    running = threading.Thread(target=anyio.run, args=(be_open,))
    running.start()
    assert opened.wait(PATIENCE_SECONDS)
    assert loops[0].post(partial(arrived.append, "posted")) is True
    assert arrived == ["posted"]


@needs_eventfd
@on_asyncio
async def test_descriptor_is_closed_with_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = EventLoop.current()
    assert isinstance(loop, AsyncioLoop)
    made: list[int] = []
    eventfd = os.eventfd

    def make(*arguments: int) -> int:
        made.append(eventfd(*arguments))
        return made[-1]

    monkeypatch.setattr(os, "eventfd", make)
    loop.open()
    assert os.fstat(made[0])
    loop.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(made[0])


@needs_eventfd
@on_asyncio
async def test_loop_that_watches_no_descriptors_is_woken_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = EventLoop.current()
    assert isinstance(loop, AsyncioLoop)

    def refuse(*_: Any) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "add_reader", refuse)
    arrived: list[str] = []
    loop.open()
    loop.post(partial(arrived.append, "posted"))
    await until(lambda: arrived == ["posted"])
    loop.close()


def test_interrupt_in_a_callback_leaves_those_behind_it() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    async def opened() -> EventLoop:
        loop = EventLoop.current()
        loop.open()
        return loop

    native = asyncio.new_event_loop()
    try:
        loop = native.run_until_complete(opened())
        arrived: list[str] = []
        loop.post(interrupt)
        loop.post(partial(arrived.append, "behind"))
        with pytest.raises(KeyboardInterrupt):
            native.run_forever()
        loop.post(native.stop)
        native.run_forever()
    finally:
        native.close()

    assert arrived == ["behind"]
