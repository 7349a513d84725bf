"""Whole pipelines with a deferred task, from def and from async def, on both faces of the runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from cloacina import AsyncRunner, BlockingTaskHandle, Context, ExecutionResult, Runner, TaskHandle, Workflow, task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])


def _wait_for_export(kind: str) -> Callable[..., object]:
    async def wait_for_export(context: Context, handle: TaskHandle) -> None:
        path = anyio.Path(context["export_path"])
        await handle.defer_until(path.exists, poll_interval_ms=1)
        context["rows"] = (await path.read_text()).splitlines()

    def wait_for_export_blocking(context: Context, handle: BlockingTaskHandle) -> None:
        from pathlib import Path

        path = Path(context["export_path"])
        handle.defer_until(path.exists, poll_interval_ms=1)
        context["rows"] = path.read_text().splitlines()

    return task(id="wait_for_export")(wait_for_export if kind == "async def" else wait_for_export_blocking)


def _write_export(path: Path) -> Workflow:
    @task
    def write_export(context: Context) -> None:
        partial = path.with_suffix(".partial")
        partial.write_text("one\ntwo\nthree\n")
        partial.rename(path)

    return Workflow("export", tasks=[write_export])


def _count(kind: str) -> Callable[..., object]:
    async def summarise(context: Context) -> None:
        context["count"] = len(context["rows"])

    def summarise_blocking(context: Context) -> None:
        context["count"] = len(context["rows"])

    decorate = task(id="summarise", dependencies=["wait_for_export"])
    return decorate(summarise if kind == "async def" else summarise_blocking)


def _check(result: ExecutionResult, path: Path, *, is_counted: bool) -> None:
    expected: dict[str, object] = {"export_path": str(path), "rows": ["one", "two", "three"]}
    if is_counted:
        expected["count"] = 3
    assert result.status == "Completed"
    assert result.context == expected
    assert {record.status for record in result.tasks.values()} == {"Completed"}
    assert {record.sub_status for record in result.tasks.values()} == {None}


@_BOTH_KINDS
async def test_one_deferred_task(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        workflow = Workflow("one", tasks=[_wait_for_export(kind)])
        execution = await runner.submit(workflow, {"export_path": str(path)})
        (await runner.execute(_write_export(path))).raise_for_status()
        _check(await execution.wait(), path, is_counted=False)


@_BOTH_KINDS
async def test_a_deferred_task_with_a_consumer_downstream(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        workflow = Workflow("two", tasks=[_wait_for_export(kind), _count(kind)])
        execution = await runner.submit(workflow, {"export_path": str(path)})
        (await runner.execute(_write_export(path))).raise_for_status()
        _check(await execution.wait(), path, is_counted=True)


@_BOTH_KINDS
def test_one_deferred_task_in_a_blocking_runner(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    with Runner("sqlite://", max_concurrent_tasks=1) as runner:
        execution = runner.submit(Workflow("one", tasks=[_wait_for_export(kind)]), {"export_path": str(path)})
        runner.execute(_write_export(path)).raise_for_status()
        _check(execution.wait(), path, is_counted=False)


@_BOTH_KINDS
def test_a_deferred_task_with_a_consumer_downstream_in_a_blocking_runner(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    with Runner("sqlite://", max_concurrent_tasks=1) as runner:
        workflow = Workflow("two", tasks=[_wait_for_export(kind), _count(kind)])
        execution = runner.submit(workflow, {"export_path": str(path)})
        runner.execute(_write_export(path)).raise_for_status()
        _check(execution.wait(), path, is_counted=True)
