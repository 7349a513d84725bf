"""Workflows of many tasks: what the engine keeps of them while they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloacina import AsyncRunner, Context, Workflow, task

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

LENGTH = 30


def link(number: int, dependencies: list[str], on_run: Callable[[], object]) -> Callable[..., Any]:
    """Return a task of a chain, which writes a key of its own."""

    @task(id=f"link{number}", dependencies=dependencies)
    async def write(context: Context) -> None:
        context[f"key{number}"] = number
        on_run()

    return write


@pytest.mark.parametrize("width", [1, 2], ids=["a chain", "a ladder"])
async def test_what_a_chain_has_written_is_kept_once_and_not_once_a_task(width: int) -> None:
    kept: list[int] = []

    def count() -> None:
        (run,) = runner._engine._scheduler._runs.values()
        kept.append(sum(1 for state in run._states if state))

    tasks = [
        link(row * width + column, [f"link{(row - 1) * width + other}" for other in range(width) if row], count)
        for row in range(LENGTH)
        for column in range(width)
    ]
    async with AsyncRunner("sqlite://") as runner:
        result = (await runner.execute(Workflow("chain", tasks=tasks))).raise_for_status()
    assert result.context == {f"key{number}": number for number in range(LENGTH * width)}
    assert max(kept) <= 2 * width
