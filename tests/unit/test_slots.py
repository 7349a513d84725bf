"""`SlotPool` and `SlotToken` on a running event loop: what each call promises."""

from __future__ import annotations

import gc
import sys
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from cloacina import ConcurrentWait, InvalidOption, SlotPool, SlotToken


async def test_release_frees() -> None:
    pool = SlotPool(2)
    token = await pool.acquire()
    assert (token.is_held(), pool.available) == (True, 1)
    assert token.release()
    assert (token.is_held(), token.slot, pool.available) == (False, None, 2)


async def test_releasing_again_is_nothing() -> None:
    pool = SlotPool(1)
    token = await pool.acquire()
    assert token.release()
    assert not token.release()
    assert pool.available == 1


async def test_reclaim_reacquires() -> None:
    pool = SlotPool(1)
    token = await pool.acquire()
    token.release()
    await token.reclaim()
    assert (token.is_held(), token.slot, pool.available) == (True, 0, 0)


async def test_reclaim_is_nothing_when_held() -> None:
    pool = SlotPool(1)
    token = await pool.acquire()
    with anyio.fail_after(20):
        await token.reclaim()
    assert (token.is_held(), pool.available, pool.queued) == (True, 0, 0)


async def test_losing_the_token_frees() -> None:
    pool = SlotPool(1)
    token = await pool.acquire()
    del token
    gc.collect()
    assert pool.available == 1


async def test_losing_the_token_serves_the_first_in_the_queue() -> None:
    pool = SlotPool(1)
    token = await pool.acquire()
    async with anyio.create_task_group() as group:
        granted = anyio.Event()

        async def queue() -> None:
            await pool.acquire()
            granted.set()

        group.start_soon(queue)
        while not pool.queued:
            await anyio.lowlevel.checkpoint()
        del token
        gc.collect()
        with anyio.fail_after(20):
            await granted.wait()


async def test_losing_the_token_in_another_thread_frees() -> None:
    pool = SlotPool(1)
    held = [await pool.acquire()]
    await anyio.to_thread.run_sync(held.clear)
    gc.collect()
    assert pool.available == 1


async def test_reclaim_waits_its_turn() -> None:
    pool = SlotPool(1)
    order: list[str] = []
    first, second = await pool.acquire(), SlotToken(pool)
    first.release()
    await second.reclaim()

    async def reclaim(name: str, token: SlotToken) -> None:
        await token.reclaim()
        order.append(name)
        token.release()

    async with anyio.create_task_group() as group:
        group.start_soon(reclaim, "new", SlotToken(pool))
        while pool.queued < 1:
            await anyio.lowlevel.checkpoint()
        group.start_soon(reclaim, "first again", first)
        while pool.queued < 2:
            await anyio.lowlevel.checkpoint()
        assert order == []
        second.release()
    assert order == ["new", "first again"]
    assert pool.available == 1


async def test_a_token_is_reclaimed_by_one_at_a_time() -> None:
    pool = SlotPool(1)
    holder = await pool.acquire()
    token = SlotToken(pool)
    async with anyio.create_task_group() as group:
        group.start_soon(token.reclaim)
        while not pool.queued:
            await anyio.lowlevel.checkpoint()
        with pytest.raises(ConcurrentWait):
            await token.reclaim()
        assert pool.queued == 1
        holder.release()
    assert token.is_held()


async def test_a_cancelled_reclaim_leaves_the_queue() -> None:
    pool = SlotPool(1)
    holder = await pool.acquire()
    async with anyio.create_task_group() as group:
        group.start_soon(pool.acquire)
        while not pool.queued:
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert pool.queued == 0
    holder.release()
    assert pool.available == 1


async def test_a_grant_that_races_a_cancellation_is_not_lost() -> None:
    pool = SlotPool(1)
    holder = await pool.acquire()
    token = SlotToken(pool)
    async with anyio.create_task_group() as group:
        group.start_soon(token.reclaim)
        while not pool.queued:
            await anyio.lowlevel.checkpoint()
        holder.release()
        group.cancel_scope.cancel()  # In the same turn of the loop.
    # Whoever won, the slot is where the token says.
    assert pool.available == (0 if token.is_held() else 1)
    token.release()
    assert pool.available == 1


@pytest.mark.parametrize("capacity", [0, -1, 1.0, "4", True, None])
async def test_a_capacity_that_is_no_whole_number_of_at_least_1_is_refused(capacity: Any) -> None:
    with pytest.raises(InvalidOption):
        SlotPool(capacity)


@pytest.mark.parametrize("capacity", [5, sys.maxsize])  # One of any size is made at once, and is small.
async def test_the_lowest_free_slot_is_taken_first(capacity: int) -> None:
    pool = SlotPool(capacity)
    tokens = [await pool.acquire() for _ in range(5)]
    assert [token.slot for token in tokens] == [0, 1, 2, 3, 4]
    assert pool.available == capacity - 5
    for slot in (2, 4, 3, 0):
        tokens[slot].release()
    assert pool.available == capacity - 1
    again = [await pool.acquire() for _ in range(4)]
    assert [token.slot for token in again] == [0, 2, 3, 4]
    assert pool.available == capacity - 5


async def test_a_token_tells_what_it_holds() -> None:
    pool = SlotPool(1)
    token = await pool.acquire()
    assert repr(token) == "<SlotToken slot=0>"
    token.release()
    assert repr(token) == "<SlotToken released>"


def test_a_pool_serves_one_event_loop_after_another() -> None:
    pool = SlotPool(1)

    async def use() -> None:
        holder = await pool.acquire()
        async with anyio.create_task_group() as group:
            group.start_soon(pool.acquire)
            while not pool.queued:
                await anyio.lowlevel.checkpoint()
            holder.release()

    for backend in ("asyncio", "trio", "asyncio"):
        anyio.run(use, backend=backend)
        gc.collect()
    assert pool.available == 1
