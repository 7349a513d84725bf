"""Workflows of many tasks: what the engine keeps of them while they run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloacina import AsyncRunner, Context, Workflow, task
from cloacina.scheduling.layers import Layered

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
        kept.append(sum(1 for state in run._contexts.states if state) if run._contexts else 0)

    tasks = [
        link(row * width + column, [f"link{(row - 1) * width + other}" for other in range(width) if row], count)
        for row in range(LENGTH)
        for column in range(width)
    ]
    async with AsyncRunner("sqlite://") as runner:
        result = (await runner.execute(Workflow("chain", tasks=tasks))).raise_for_status()
    assert result.context == {f"key{number}": number for number in range(LENGTH * width)}
    assert max(kept) <= 2 * width


async def test_what_many_tasks_behind_one_have_not_written_is_kept_once() -> None:
    keys, width = 400, 50
    kept: list[Layered[Any]] = []

    @task
    async def root(context: Context) -> None:
        context.update({f"k{number}": number for number in range(keys)})

    def count() -> None:
        (run,) = runner._engine._scheduler._runs.values()
        assert run._contexts is not None
        kept.extend(state for state in run._contexts.states if isinstance(state, Layered))

    leaves = [link(number, ["root"], lambda: None) for number in range(width)]
    followers = [link(width + number, [f"link{number}"], lambda: None) for number in range(width)]

    @task(dependencies=followers)
    async def join(context: Context) -> None:
        count()
        context["seen"] = len(context)

    async with AsyncRunner("sqlite://") as runner:
        result = (await runner.execute(Workflow("fan", tasks=[root, *leaves, *followers, join]))).raise_for_status()
    assert result.context["seen"] == keys + 2 * width
    assert len(kept) >= width
    assert len({id(state.shared) for state in kept}) == 1
