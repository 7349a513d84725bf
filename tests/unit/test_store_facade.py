"""The store as the engine uses it, on both event loops."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from cloacina.errors import InvalidOption, StoreUnavailable, StoreWriteFailed
from cloacina.store import EventType, Store, changes, queries
from cloacina.store.changes import Change
from cloacina.store.connection import Connection

pytestmark = pytest.mark.anyio


def poster(backend: str) -> Callable[[Callable[[], None]], object]:
    """Return the thread-safe way into the loop that is running."""
    if backend == "asyncio":
        import asyncio

        return asyncio.get_running_loop().call_soon_threadsafe
    import trio

    return trio.lowlevel.current_trio_token().run_sync_soon


def never(*failure: object) -> None:
    raise RuntimeError(failure)


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    # Opened and closed where no loop runs, as a runner does it in a thread.
    store = Store.open(tmp_path / "store.db" if request.param == "file" else "sqlite://")
    yield store
    store.close()


def execution(number: int) -> Change:
    return changes.new_execution(f"{number:04}", "w", "v", "{}", 1.0)


async def test_read_sees_all_that_was_queued_before(store: Store, anyio_backend: str) -> None:
    store.start(poster(anyio_backend), never, never)

    for number in range(200):
        store.write([[execution(number)]])
        if number % 50 == 49:
            assert len(await store.read(queries.executions, limit=1000)) == number + 1


async def test_many_reads_at_once_while_writing(store: Store, anyio_backend: str) -> None:
    store.start(poster(anyio_backend), never, never)
    found: list[int] = []

    async def write_and_read(number: int) -> None:
        store.write([[execution(number), changes.event(f"{number:04}", 1, None, None, EventType.TASK_READY, 1.0)]])
        events = await store.read(queries.events, f"{number:04}")
        found.append(len(events))

    async with anyio.create_task_group() as group:
        for number in range(60):
            group.start_soon(write_and_read, number)

    assert found == [1] * 60


async def test_what_is_in_flight_counts_writes_and_reads(store: Store, anyio_backend: str) -> None:
    store.start(poster(anyio_backend), never, never)
    assert store.in_flight == 0
    during: list[int] = []

    def look(connection: Connection) -> None:
        during.append(store.in_flight)

    committed = anyio.Event()
    store.write([[execution(1)]], committed.set)
    assert store.in_flight == 1
    await committed.wait()
    await store.read(look)

    assert during == [1]
    assert store.in_flight == 0


async def test_read_is_possible_while_user_code_holds_every_thread_of_the_default_limiter(
    store: Store, anyio_backend: str
) -> None:
    store.start(poster(anyio_backend), never, never)
    limiter = anyio.to_thread.current_default_thread_limiter()
    holders = [object() for _ in range(int(limiter.available_tokens))]
    for holder in holders:
        limiter.acquire_on_behalf_of_nowait(holder)
    try:
        with anyio.fail_after(20):
            assert await store.read(queries.executions) == []
    finally:
        for holder in holders:
            limiter.release_on_behalf_of(holder)


async def test_cancelled_read_returns_at_once_and_leaves_the_store_usable(store: Store, anyio_backend: str) -> None:
    import threading

    store.start(poster(anyio_backend), never, never)
    began, may_end = anyio.Event(), threading.Event()
    tell = partial(poster(anyio_backend), began.set)
    ended: list[bool] = []

    def block(connection: Connection) -> None:
        tell()
        may_end.wait(20)
        ended.append(True)

    async with anyio.create_task_group() as group:
        group.start_soon(store.read, block)
        await began.wait()
        group.cancel_scope.cancel()
    assert not ended
    assert store.in_flight == 0
    may_end.set()

    assert await store.read(queries.executions) == []


async def test_error_of_a_query_reaches_its_caller(store: Store, anyio_backend: str) -> None:
    store.start(poster(anyio_backend), never, never)

    with pytest.raises(InvalidOption):
        await store.read(queries.executions, limit=0)
    with pytest.raises(StoreUnavailable, match="could not be read: no such table"):
        await store.read(lambda connection: connection.alchemy.exec_driver_sql("SELECT * FROM nowhere"))

    assert await store.read(queries.executions) == []


async def test_read_fails_when_what_was_queued_before_is_lost(store: Store, anyio_backend: str) -> None:
    failures: list[StoreWriteFailed] = []
    store.start(poster(anyio_backend), failures.append, lambda unit, failure: None)
    writer: Any = store._writer
    writer.run(lambda connection: connection.alchemy.exec_driver_sql("PRAGMA query_only = ON")).result(20)
    store.write([[execution(1)]])

    with pytest.raises(StoreWriteFailed):
        await store.read(queries.executions)


async def test_store_is_used_between_start_and_close(store: Store, anyio_backend: str) -> None:
    with pytest.raises(StoreWriteFailed, match="not started"):
        store.write([[execution(1)]])
    with pytest.raises(StoreUnavailable, match="not started"):
        await store.read(queries.executions)
    store.start(poster(anyio_backend), never, never)
    await anyio.to_thread.run_sync(store.close)

    with pytest.raises(StoreWriteFailed, match="closed"):
        store.write([[execution(1)]])
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.read(queries.executions)
    assert store.in_flight == 0
