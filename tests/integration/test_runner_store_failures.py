"""A store that cannot be written any more: everyone who waits is told, bodies clean up, and nobody hangs."""

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
    Execution,
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

# What another connection does to the file, so that nothing of the runner's can be stored any more.
_DAMAGE = {
    "a table is dropped": "DROP TABLE execution_events",
    "a column is renamed": "ALTER TABLE task_executions RENAME COLUMN changes TO changed",
}
_REPAIR = "ALTER TABLE task_executions RENAME COLUMN changed TO changes"
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
    assert ends


class _CleansUp:
    """A workflow of one task that cleans up after its cancellation until it is let go."""

    def __init__(self, noted: list[str]) -> None:
        self.runs, self.may_end = anyio.Event(), anyio.Event()

        @task
        async def cleans_up(context: Context) -> None:
            self.runs.set()
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    await self.may_end.wait()
                    noted.append("the body ends")

        self.workflow = Workflow("cleans", tasks=[cleans_up])


async def _break_down(runner: AsyncRunner, path: Path) -> None:
    _damage(path, "a table is dropped")
    with pytest.raises(StoreWriteFailed):
        await runner.execute(Workflow("nothing", tasks=[_nothing]))


@task
async def _nothing(context: Context) -> None:
    """Do nothing."""


async def test_who_waits_is_told_at_once_and_leaving_waits_for_bodies_that_clean_up(
    tmp_path: Path, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    path, noted = tmp_path / "runs.db", list[str]()
    body, runner, ids = _CleansUp(noted), AsyncRunner(path), list[str]()

    async def wait(execution: Execution) -> None:
        with pytest.raises(StoreWriteFailed):
            await execution.wait()
        noted.append("who waits is told")

    async def let_go_when_it_is_waited_for() -> None:
        await until(lambda: "waiting up to 30 s" in caplog.text)
        noted.append("leaving waits")
        slots = runner._engine._resources.slots
        assert slots.capacity - slots.available == 1
        body.may_end.set()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(let_go_when_it_is_waited_for)
            with pytest.raises(StoreWriteFailed):
                async with runner:
                    execution = await runner.submit(body.workflow)
                    ids.append(execution.id)
                    await body.runs.wait()
                    group.start_soon(wait, execution)
                    await _break_down(runner, path)
                    await until(lambda: noted)
            noted.append("the runner is left")

    assert noted == ["who waits is told", "leaving waits", "the body ends", "the runner is left"]
    assert f"'cleans_up' of execution {ids[0]}" in caplog.text


async def test_leaving_a_broken_runner_ends_though_a_body_does_not(
    tmp_path: Path, until: Until, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloacina.scheduling.leaving.BROKEN_DOWN_SECONDS", 0.0)
    path, noted = tmp_path / "runs.db", list[str]()
    body = _CleansUp(noted)
    with anyio.fail_after(20):
        with pytest.raises(StoreWriteFailed):
            async with AsyncRunner(path) as runner:
                await runner.submit_many(body.workflow, [None] * 7)
                await body.runs.wait()
                await _break_down(runner, path)
        assert not noted
        body.may_end.set()
        await until(lambda: noted)

    (left,) = [record for record in caplog.records if "still clean up" in record.message]
    assert left.message.count("'cleans_up' of execution") == 4  # as many as there are slots


async def test_file_removed_just_before_the_runner_is_left_is_told(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with pytest.raises(StoreWriteFailed, match="removed or replaced"):
        async with AsyncRunner(path) as runner:
            await runner.execute(Workflow("nothing", tasks=[_nothing]))
            path.rename(tmp_path / "moved.db")


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
            _damage(path, "a column is renamed")
            await runner.execute(workflow)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(_REPAIR)
    async with AsyncRunner(path) as runner:
        assert (await runner.wait(completed[0])).context == {"done": True}
        assert (await runner.execute(workflow)).status == "Completed"
