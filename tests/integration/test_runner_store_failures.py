"""A store that cannot be written: everyone who waits is told, and nobody hangs."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import anyio
import pytest

from cloacina import (
    AsyncRunner,
    BlockingTaskHandle,
    Context,
    Runner,
    StoreWriteFailed,
    TaskCancelled,
    TaskHandle,
    Workflow,
    task,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.conftest import Until

# What another connection does to the file, so that the runner's next change cannot be stored.
_DAMAGE = {
    "a trigger refuses new states": (
        "CREATE TRIGGER full BEFORE UPDATE ON task_executions BEGIN SELECT RAISE(ABORT, 'disk quota exceeded'); END"
    ),
    "a trigger refuses new events": (
        "CREATE TRIGGER full BEFORE INSERT ON execution_events BEGIN SELECT RAISE(ABORT, 'disk quota exceeded'); END"
    ),
    "a table is dropped": "DROP TABLE execution_events",
}
_EVERY_DAMAGE = pytest.mark.parametrize("damage", _DAMAGE)


def _damage(path: Path, damage: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(_DAMAGE[damage])


class _Stuck:
    """A workflow of an async and a blocking wait, of which one comes to its end when it is let go."""

    def __init__(self) -> None:
        self.waiting = {"one": threading.Event(), "two": threading.Event()}
        self.is_open = threading.Event()
        self.told: list[str] = []

        def condition(name: str) -> Callable[[], bool]:
            def ask() -> bool:
                self.waiting[name].set()
                return name == "one" and self.is_open.is_set()

            return ask

        @task
        async def one(context: Context, handle: TaskHandle) -> None:
            try:
                await handle.defer_until(condition("one"), poll_interval_ms=1)
            finally:
                self.told.append("one")

        @task
        def two(context: Context, handle: BlockingTaskHandle) -> None:
            try:
                handle.defer_until(condition("two"), poll_interval_ms=1)
            except TaskCancelled:
                self.told.append("two")
                raise

        self.workflow = Workflow("stuck", tasks=[one, two])

    def both_wait(self) -> bool:
        return all(event.is_set() for event in self.waiting.values())


@_EVERY_DAMAGE
async def test_a_failed_write_reaches_all_who_wait_and_the_exit(damage: str, tmp_path: Path, until: Until) -> None:
    path = tmp_path / "runs.db"
    stuck = _Stuck()
    raised: list[BaseException] = []

    async def wait(execution_wait: Callable[[], object]) -> None:
        try:
            await execution_wait()  # type: ignore[misc]
        except StoreWriteFailed as error:
            raised.append(error)

    with anyio.fail_after(20), pytest.raises(StoreWriteFailed) as at_the_exit:
        async with AsyncRunner(path, max_concurrent_tasks=2) as runner:
            execution = await runner.submit(stuck.workflow)
            await until(stuck.both_wait)
            async with anyio.create_task_group() as group:
                group.start_soon(wait, execution.wait)
                group.start_soon(wait, lambda: runner.wait(execution.id))
                group.start_soon(wait, lambda: execution.wait(timeout=20))
                await anyio.lowlevel.checkpoint()
                _damage(path, damage)
                stuck.is_open.set()
            # Both bodies were cancelled, so that they can clean up.
            await until(lambda: len(stuck.told) == 2)
            # From now on everything that would be stored is refused.
            with pytest.raises(StoreWriteFailed):
                await runner.submit(stuck.workflow)
            with pytest.raises(StoreWriteFailed):
                await execution.wait()
    assert len(raised) == 3
    assert at_the_exit.value.__cause__ is not None


@_EVERY_DAMAGE
async def test_a_submission_that_cannot_be_stored_is_told(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    ran: list[int] = []

    @task
    def work(context: Context) -> None:
        ran.append(1)

    with anyio.fail_after(20), pytest.raises(StoreWriteFailed):
        async with AsyncRunner(path) as runner:
            _damage(path, damage)
            await runner.execute(Workflow("works", tasks=[work]))


async def test_an_exception_of_the_block_is_not_hidden_by_a_store_failure(tmp_path: Path, until: Until) -> None:
    path = tmp_path / "runs.db"
    stuck = _Stuck()
    with anyio.fail_after(20), pytest.raises(ZeroDivisionError):
        async with AsyncRunner(path, max_concurrent_tasks=2) as runner:
            await runner.submit(stuck.workflow)
            await until(stuck.both_wait)
            _damage(path, "a table is dropped")
            raise ZeroDivisionError
    await until(lambda: len(stuck.told) == 2)


@_EVERY_DAMAGE
def test_a_failed_write_reaches_who_waits_in_a_thread(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    stuck = _Stuck()
    with pytest.raises(StoreWriteFailed), Runner(path, max_concurrent_tasks=2) as runner:
        execution = runner.submit(stuck.workflow)
        for waiting in stuck.waiting.values():
            assert waiting.wait(20)
        _damage(path, damage)
        stuck.is_open.set()
        with pytest.raises(StoreWriteFailed):
            execution.wait(timeout=20)


async def test_a_failed_write_withholds_no_slot(tmp_path: Path, until: Until) -> None:
    path = tmp_path / "runs.db"
    ends: list[str] = []
    waits, is_open = threading.Event(), threading.Event()

    def condition() -> bool:
        waits.set()
        return is_open.is_set()

    @task
    async def wait(context: Context, handle: TaskHandle) -> None:
        try:
            await handle.defer_until(condition, poll_interval_ms=1)
        finally:
            ends.append("wait")

    with anyio.fail_after(20), pytest.raises(StoreWriteFailed):
        async with AsyncRunner(path, max_concurrent_tasks=1) as runner:
            executions = await runner.submit_many(Workflow("waits", tasks=[wait]), [None] * 10)
            await until(waits.is_set)
            _damage(path, "a table is dropped")
            is_open.set()
            for execution in executions:
                with pytest.raises(StoreWriteFailed):
                    await execution.wait()
    await until(lambda: len(ends) >= 1)


async def test_what_was_committed_before_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"

    @task
    def work(context: Context) -> None:
        context["done"] = True

    workflow = Workflow("works", tasks=[work])
    completed: list[str] = []
    with pytest.raises(StoreWriteFailed):
        async with AsyncRunner(path) as runner:
            completed.append((await runner.execute(workflow)).id)
            _damage(path, "a trigger refuses new events")
            await runner.execute(workflow)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER full")
    async with AsyncRunner(path) as runner:
        assert (await runner.wait(completed[0])).context == {"done": True}
        assert (await runner.execute(workflow)).status == "Completed"
