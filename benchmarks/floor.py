"""The floor: the least that a program can do that runs one task at a time through slots and stores what happens.

Hand-written on asyncio and sqlite3, with nothing of Cloacina in it: an execution, its task and its events as rows, the
creation and the end committed before anything builds on them, and one writer thread that puts whatever is waiting into
one transaction, which waits for the disk where Cloacina's does. It has no dependencies between tasks, no contexts to
merge, no retries, waits, timeouts or cancellation, no indexes and no foreign keys, and it stores three events where
Cloacina stores five. Of waiting it knows only what calling the conditions costs.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import sqlite3
import statistics
import threading
import time
import uuid
from contextlib import asynccontextmanager, closing
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.process_figures import ProcessorTime, percentile, resident_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

Statement: TypeAlias = tuple[str, tuple[Any, ...]]
Unit: TypeAlias = tuple[list[Statement], "asyncio.Future[None] | None"]

_UNITS_PER_TRANSACTION = 2_000
_PORTION_SECONDS = 0.02

_SCHEMA = """
CREATE TABLE executions(id TEXT PRIMARY KEY, name TEXT, status TEXT, context TEXT, created REAL, done REAL);
CREATE TABLE tasks(id TEXT PRIMARY KEY, execution TEXT, name TEXT, status TEXT, sub_status TEXT, attempt INT,
                   started REAL, done REAL);
CREATE TABLE events(id INTEGER PRIMARY KEY, execution TEXT, task TEXT, type TEXT, at REAL);
"""
_NEW_EXECUTION = "INSERT INTO executions VALUES(?, ?, ?, ?, ?, ?)"
_NEW_TASK = "INSERT INTO tasks VALUES(?, ?, ?, ?, ?, ?, ?, ?)"
_NEW_EVENT = "INSERT INTO events(execution, task, type, at) VALUES(?, ?, ?, ?)"
_TASK_STARTED = "UPDATE tasks SET status = 'Running', sub_status = 'Active', started = ? WHERE id = ?"
_TASK_DONE = "UPDATE tasks SET status = 'Completed', sub_status = NULL, done = ? WHERE id = ?"
_EXECUTION_DONE = "UPDATE executions SET status = 'Completed', context = ?, done = ? WHERE id = ?"


class _Writer:
    """One thread that commits what is waiting, and wakes the loop once for each transaction."""

    def __init__(self, path: Path, *, is_syncing: bool) -> None:
        self._path = path
        self._is_syncing = is_syncing
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[Unit | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="floor-writer")
        self._thread.start()

    def post(self, statements: list[Statement]) -> None:
        self._queue.put((statements, None))

    async def commit(self, statements: list[Statement]) -> None:
        committed: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((statements, committed))
        await committed

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _serve(self) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = wal")
            database.execute("PRAGMA synchronous = normal")
            database.executescript(_SCHEMA)
            unit = self._queue.get()
            while unit is not None:
                batch = [unit]
                try:
                    while len(batch) < _UNITS_PER_TRANSACTION and (unit := self._queue.get_nowait()) is not None:
                        batch.append(unit)
                except Empty:
                    pass
                self._commit(database, batch)
                if unit is not None:
                    unit = self._queue.get()

    def _commit(self, database: sqlite3.Connection, batch: list[Unit]) -> None:
        if self._is_syncing:
            is_awaited = any(committed is not None for _, committed in batch)
            database.execute(f"PRAGMA synchronous = {'full' if is_awaited else 'normal'}")
        database.execute("BEGIN")
        for statements, _ in batch:
            for sql, parameters in statements:
                database.execute(sql, parameters)
        database.execute("COMMIT")
        self._loop.call_soon_threadsafe(_wake, [committed for _, committed in batch if committed is not None])


def _wake(waiting: list[asyncio.Future[None]]) -> None:
    for committed in waiting:
        if not committed.done():
            committed.set_result(None)


async def _execute(writer: _Writer, slots: asyncio.Semaphore) -> None:
    execution, task, now, context = uuid.uuid4().hex, uuid.uuid4().hex, time.time(), json.dumps({"a": 1})
    await writer.commit(
        [
            (_NEW_EXECUTION, (execution, "w", "Pending", context, now, None)),
            (_NEW_TASK, (task, execution, "t", "Ready", None, 0, None, None)),
            (_NEW_EVENT, (execution, None, "created", now)),
        ]
    )
    async with slots:
        now = time.time()
        writer.post([(_TASK_STARTED, (now, task)), (_NEW_EVENT, (execution, task, "started", now))])
        await asyncio.sleep(0)  # the task's body
        now = time.time()
        await writer.commit(
            [
                (_TASK_DONE, (now, task)),
                (_EXECUTION_DONE, (context, now, execution)),
                (_NEW_EVENT, (execution, task, "done", now)),
            ]
        )


@asynccontextmanager
async def _writing_to(folder: Path, durability: str) -> AsyncGenerator[_Writer]:
    writer = _Writer(folder / "floor.db", is_syncing=durability == "full")
    try:
        yield writer
    finally:
        await asyncio.to_thread(writer.close)


async def one_by_one(folder: Path, *, executions: int, slots: int, durability: str = "fast") -> dict[str, float]:
    """Run executions one after another; return the median in seconds."""
    semaphore = asyncio.Semaphore(slots)
    each: list[float] = []
    async with _writing_to(folder, durability) as writer:
        for _ in range(executions // 10):
            await _execute(writer, semaphore)
        for _ in range(executions):
            began = time.perf_counter()
            await _execute(writer, semaphore)
            each.append(time.perf_counter() - began)
    return {"seconds": statistics.median(each), "tail": percentile(each, 99) / statistics.median(each)}


async def at_once(
    folder: Path, *, executions: int, slots: int, durability: str = "fast", **_other: bool
) -> dict[str, float]:
    """Run executions all at once: one kind of task, one way to submit.

    Returns:
        `rate`, how many end in a second, and `processor`, the processor time of one in seconds.
    """
    semaphore = asyncio.Semaphore(slots)
    async with _writing_to(folder, durability) as writer:
        await _execute(writer, semaphore)
        gc.collect()
        began, used = time.perf_counter(), ProcessorTime()
        await asyncio.gather(*(_execute(writer, semaphore) for _ in range(executions)))
        return {"rate": executions / (time.perf_counter() - began), "processor": used.seconds() / executions}


async def commits(folder: Path, *, commits: int, **_other: int) -> dict[str, float]:
    """Commit single rows, one after another; return the seconds of one."""
    async with _writing_to(folder, "fast") as writer:
        for number in range(commits // 10):
            await writer.commit([(_NEW_EVENT, ("warm-up", str(number), "done", time.time()))])
        began = time.perf_counter()
        for number in range(commits):
            await writer.commit([(_NEW_EVENT, ("step", str(number), "done", time.time()))])
        return {"seconds": (time.perf_counter() - began) / commits}


async def signals(folder: Path, *, waits: int, sent: int, **_other: float) -> dict[str, float]:
    """Keep coroutines that wait, each for its own signal; commit a row for one and let it go on, one after another.

    Returns:
        `bytes`, the resident memory of one, and `here` and `here_slow`, the seconds from the sending to the going on.
    """
    each: list[float] = []

    async def wait(signal: asyncio.Future[float]) -> None:
        sent_at = await signal
        each.append(time.monotonic() - sent_at)

    async with _writing_to(folder, "fast") as writer:
        resident = resident_bytes()
        expected: list[asyncio.Future[float]] = [asyncio.Future() for _ in range(waits)]
        waiting = [asyncio.create_task(wait(signal)) for signal in expected]
        await asyncio.sleep(0)
        memory = (resident_bytes() - resident) / waits
        for signal, task in zip(expected[:sent], waiting, strict=False):
            sent_at = time.monotonic()
            await writer.commit([(_NEW_EVENT, ("execution", "task", "signal", sent_at))])
            signal.set_result(sent_at)
            await task
        for task in waiting[sent:]:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    return {"bytes": memory, "here": statistics.median(each), "here_slow": percentile(each, 99)}


async def polls(folder: Path, *, waits: int, seconds: float, as_file: bool, **_other: int) -> dict[str, float]:
    """Call as many conditions a second as there are waits, in portions; return the percent of a core that takes."""
    path, is_open = folder / "gate", False
    conditions = [path.exists if as_file else lambda: is_open for _ in range(waits)]
    portion = math.ceil(waits * _PORTION_SECONDS)

    def poll() -> float:
        used = ProcessorTime()
        next_portion = began = time.perf_counter()
        while next_portion < began + seconds:
            for first in range(0, waits, portion):
                time.sleep(max(0.0, next_portion - time.perf_counter()))
                next_portion += _PORTION_SECONDS
                if any(condition() for condition in conditions[first : first + portion]):
                    raise RuntimeError("a condition holds that nobody has met")
        return used.percent()

    return {"cpu": await asyncio.to_thread(poll)}


async def build(folder: Path, **options: Any) -> dict[str, float]:
    """Return what building and verifying a package cannot go below: uv's and zstd's own time for the same bytes."""
    from benchmarks.packaging_floor import measure  # noqa: PLC0415 - the other floors need nothing of Cloacina

    return await measure(folder, **options)
