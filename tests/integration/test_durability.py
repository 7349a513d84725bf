"""What somebody is told waits for the disk first, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloacina import AsyncRunner, Client, Context, TaskHandle, Workflow, task
from cloacina.configuration import Durability
from cloacina.store.connection import Connection
from syncs import Syncs


def _listen(connection: Connection) -> Syncs:
    return Syncs(connection.driver)


@pytest.mark.parametrize("durability", ["full", "fast"])
async def test_what_somebody_is_told_is_on_the_disk(tmp_path: Path, durability: Durability) -> None:
    with Workflow("paid") as paid:

        @task
        async def load(context: Context, handle: TaskHandle) -> None:
            context["price"] = await handle.checkpoint("look up", lambda: 3)

        @task(dependencies=[load])
        async def pay(context: Context, handle: TaskHandle) -> None:
            context["paid"] = await handle.wait_for("paid")

    async with AsyncRunner(tmp_path / "paid.db", durability=durability) as runner:
        assert runner._engine._store._writer is not None
        syncs = runner._engine._store._writer.run(_listen).result()
        execution = await runner.submit(paid)
        while not await runner.waits(execution.id):
            pass
        await runner.signal(execution.id, "paid", 3)
        (await execution.wait()).raise_for_status()

    is_full = durability == "full"
    told = ("INSERT INTO workflow_executions", "INSERT INTO checkpoints", "INSERT INTO signals", "'met'", "'Completed'")
    assert [syncs.of(text)[0] for text in told] == [is_full] * len(told)
    assert syncs.of("INSERT INTO waits") == [False]


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("fast", 1)])
def test_clients_wait_for_the_disk_each_time(tmp_path: Path, durability: Durability, level: int) -> None:
    with Client(tmp_path / "store.db", durability=durability) as client:
        found = client._database.open().write(lambda c: c.alchemy.exec_driver_sql("PRAGMA synchronous").scalar_one())

    assert found == level
