"""What `AsyncRunner` does with executions: submit, wait, cancel, find by name, and query."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from pydantic import BaseModel

from cloacina import (
    AsyncRunner,
    Context,
    DefinitionError,
    ExecutionCancelled,
    ExecutionFailed,
    InvalidInput,
    InvalidOption,
    NotJSONSerializable,
    TaskHandle,
    UnknownExecution,
    UnknownWorkflow,
    Workflow,
    task,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import UntilWait


def _double() -> Workflow:
    @task
    def double(context: Context) -> None:
        context["doubled"] = 2 * context["number"]

    return Workflow("double", tasks=[double])


def _never() -> Workflow:
    @task
    async def never(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(lambda: False, poll_interval_ms=1)

    return Workflow("never", tasks=[never])


async def test_execute_submits_and_waits() -> None:
    async with AsyncRunner("sqlite://") as runner:
        result = await runner.execute(_double(), {"number": 21})
    assert (result.status, result.error, result.context) == ("Completed", None, {"number": 21, "doubled": 42})
    assert result.raise_for_status() is result
    assert list(result.tasks) == ["double"]
    record = result.tasks["double"]
    assert (record.execution_id, record.attempt, record.status) == (result.id, 1, "Completed")
    assert record.started_at is not None
    assert record.finished_at is not None
    assert record.started_at <= record.finished_at


async def test_submit_returns_before_the_end() -> None:
    started, may_end = anyio.Event(), anyio.Event()

    @task
    async def wait(context: Context) -> None:
        started.set()
        await may_end.wait()

    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("waits", tasks=[wait]))
        await started.wait()
        assert [record.id for record in await runner.executions(status="Running")] == [execution.id]
        may_end.set()
        assert (await execution.wait()).id == execution.id


async def test_submit_many_runs_one_execution_for_each_context() -> None:
    async with AsyncRunner("sqlite://") as runner:
        executions = await runner.submit_many(_double(), ({"number": number} for number in range(50)))
        results = [await execution.wait() for execution in executions]
        assert await runner.submit_many(_double(), []) == []
    assert [result.context["doubled"] for result in results] == [2 * number for number in range(50)]
    assert len({result.id for result in results}) == 50


async def test_submit_many_stores_all_or_nothing() -> None:
    async with AsyncRunner("sqlite://") as runner:
        with pytest.raises(NotJSONSerializable):
            await runner.submit_many(_double(), [{"number": 1}, {"number": {1, 2}}])
        assert await runner.executions() == []


async def test_an_initial_context_may_be_a_context_or_absent() -> None:
    async with AsyncRunner("sqlite://") as runner:
        assert (await runner.execute(_double(), Context({"number": 2}))).context == {"number": 2, "doubled": 4}
        assert (await runner.execute(_double())).error is not None


@pytest.mark.parametrize("context", [["number"], "number", 3, {"number": float("nan")}, {1: "number"}])
async def test_an_initial_context_that_is_no_json_object_is_refused(context: Any) -> None:
    async with AsyncRunner("sqlite://") as runner:
        with pytest.raises(NotJSONSerializable):
            await runner.submit(_double(), context)
        assert await runner.executions() == []


async def test_the_timeout_of_a_wait_leaves_the_execution_alone() -> None:
    may_end = anyio.Event()

    @task
    async def wait(context: Context) -> None:
        await may_end.wait()

    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("waits", tasks=[wait]))
        for limit in (0, 0.01, timedelta(milliseconds=1)):
            with pytest.raises(TimeoutError, match=execution.id):
                await execution.wait(timeout=limit)
        with pytest.raises(TimeoutError):
            await runner.wait(execution.id, timeout=0.01)
        may_end.set()
        assert (await execution.wait()).status == "Completed"
        # The time for the wait is up, but there is nothing to wait for.
        assert (await execution.wait(timeout=0)).status == "Completed"


async def test_many_wait_for_one_execution() -> None:
    may_end = anyio.Event()
    ids: list[str] = []

    @task
    async def wait(context: Context) -> None:
        await may_end.wait()

    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("waits", tasks=[wait]))

        async def note() -> None:
            ids.append((await execution.wait()).id)

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(note)
            with anyio.CancelScope() as scope:
                scope.cancel()
                await execution.wait()
            may_end.set()
    assert ids == [execution.id] * 5


async def test_wait_and_cancel_by_id(until_wait: UntilWait) -> None:
    async with AsyncRunner("sqlite://") as runner:
        done = await runner.execute(_double(), {"number": 1})
        assert await runner.wait(done.id) == done
        assert not await runner.cancel(done.id)
        execution = await runner.submit(_never())
        await until_wait(runner, execution)
        assert await runner.cancel(execution.id)
        result = await runner.wait(execution.id)
        assert result.status == "Cancelled"
        with pytest.raises(ExecutionCancelled) as raised:
            result.raise_for_status()
        assert raised.value.result == result
        for method in (runner.wait, runner.cancel):
            with pytest.raises(UnknownExecution):
                await method("01a1fc16-136f-7527-8f58-501ef56cf8f6")
        assert await runner.tasks("01a1fc16-136f-7527-8f58-501ef56cf8f6") == []


async def test_a_stored_result_equals_the_one_that_was_returned(tmp_path: Path) -> None:
    @task
    def fail(context: Context) -> None:
        context["never"] = True
        raise ValueError("broken")

    @task(dependencies=[fail])
    def skipped(context: Context) -> None:
        pass

    @task
    def works(context: Context) -> None:
        context["list"] = [1, 2.5, None, "text"]

    async with AsyncRunner(tmp_path / "runs.db") as runner:
        result = await runner.execute(Workflow("w", tasks=[fail, skipped, works]), {"initial": True})
    async with AsyncRunner(tmp_path / "runs.db") as another:
        assert await another.wait(result.id) == result


async def test_a_workflow_is_run_by_its_name() -> None:
    async with AsyncRunner("sqlite://") as runner:
        with pytest.raises(UnknownWorkflow, match="registered"):
            await runner.submit("double", {"number": 1})
        runner.register(_double(), _never())
        assert (await runner.execute("double", {"number": 1})).context["doubled"] == 2
        with pytest.raises(UnknownWorkflow, match=r"double.*never"):
            await runner.submit("duble")


@pytest.mark.parametrize("workflow", [None, 3, _double, ["double"]])
async def test_what_is_no_workflow_is_refused(workflow: Any) -> None:
    async with AsyncRunner("sqlite://") as runner:
        with pytest.raises(UnknownWorkflow):
            await runner.submit(workflow)
        with pytest.raises(UnknownWorkflow):
            runner.register(workflow)


async def test_a_workflow_that_is_not_built_is_refused() -> None:
    async with AsyncRunner("sqlite://") as runner:
        with pytest.raises(DefinitionError):
            runner.register(Workflow("empty"))
        with pytest.raises(DefinitionError):
            await runner.submit(Workflow("empty"))


class _Input(BaseModel):
    number: int
    unit: str = "metres"


async def test_an_input_model_validates_before_anything_is_stored() -> None:
    @task
    def show(context: Context) -> None:
        context["seen"] = [context["number"], context["unit"]]

    workflow = Workflow("measures", tasks=[show], input=_Input)
    async with AsyncRunner("sqlite://") as runner:
        with pytest.raises(InvalidInput, match="number"):
            await runner.submit_many(workflow, [{"number": 1}, {"number": "many"}])
        assert await runner.executions() == []
        result = await runner.execute(workflow, {"number": "3", "other": True})
        assert result.context == {"number": 3, "unit": "metres", "other": True, "seen": [3, "metres"]}
        (record,) = await runner.executions()
        assert record.context == {"number": 3, "unit": "metres", "other": True}


async def test_executions_are_listed_newest_first_by_page(until_wait: UntilWait) -> None:
    async with AsyncRunner("sqlite://") as runner:
        submitted = [execution.id for execution in await runner.submit_many(_double(), [{"number": 1}] * 5)]
        for execution_id in submitted:
            await runner.wait(execution_id)
        stuck = await runner.submit(_never())
        await until_wait(runner, stuck)
        newest_first = [stuck.id, *reversed(submitted)]
        assert [record.id for record in await runner.executions()] == newest_first
        assert [record.id for record in await runner.executions(limit=2)] == newest_first[:2]
        assert [record.id for record in await runner.executions(before=newest_first[1])] == newest_first[2:]
        assert [record.id for record in await runner.executions(workflow="never")] == [stuck.id]
        assert [record.id for record in await runner.executions(status="Completed")] == newest_first[1:]
        with pytest.raises(InvalidOption):
            await runner.executions(status="Gone")
        with pytest.raises(InvalidOption):
            await runner.executions(limit=0)
        await stuck.cancel()


async def test_an_execution_s_record_tells_where_it_stands() -> None:
    workflow = _double()
    before = datetime.now(UTC)
    async with AsyncRunner("sqlite://") as runner:
        result = await runner.execute(workflow, {"number": 1})
        (record,) = await runner.executions()
    assert (record.id, record.workflow, record.workflow_version) == (result.id, "double", workflow.version)
    assert (record.status, record.context, record.error) == ("Completed", {"number": 1}, None)
    assert record.started_at is not None
    assert record.finished_at is not None
    assert before <= record.created_at <= record.started_at <= record.finished_at <= datetime.now(UTC)


async def test_events_are_read_from_where_one_stopped() -> None:
    async with AsyncRunner("sqlite://") as runner:
        result = await runner.execute(_double(), {"number": 1})
        events = await runner.events(result.id)
        assert [event.type for event in events][:2] == ["execution_created", "execution_started"]
        assert await runner.events(result.id, limit=2) == events[:2]
        assert await runner.events(result.id, after=events[1].number) == events[2:]


async def test_two_runners_share_one_file(tmp_path: Path, until_wait: UntilWait) -> None:
    path = tmp_path / "runs.db"
    async with AsyncRunner(path) as one, AsyncRunner(path) as two:
        many_of_one = await one.submit_many(_double(), [{"number": number} for number in range(30)])
        many_of_two = await two.submit_many(_double(), [{"number": number} for number in range(30)])
        for execution in [*many_of_one, *many_of_two]:
            (await execution.wait()).raise_for_status()
        assert len(await one.executions()) == len(await two.executions()) == 60
        # What has ended is anyone's to read; what has not can be waited for, and its runner be asked to cancel it.
        assert (await two.wait(many_of_one[0].id)).status == "Completed"
        stuck = await one.submit(_never())
        await until_wait(two, stuck)
        with pytest.raises(TimeoutError):
            await two.wait(stuck.id, timeout=0.001)
        assert await two.cancel(stuck.id)
        await stuck.cancel()
        assert await two.wait(stuck.id) == await stuck.wait()


async def test_a_failed_result_is_raised_when_asked_for() -> None:
    async with AsyncRunner("sqlite://") as runner:
        result = await runner.execute(_double())
    with pytest.raises(ExecutionFailed, match=r"'double'.*attempt 1.*KeyError") as raised:
        result.raise_for_status()
    assert raised.value.result is result


async def test_a_result_is_plain_data_to_those_who_compare_or_pickle_it() -> None:
    workflow = _double()
    async with AsyncRunner("sqlite://") as runner:
        result = await runner.execute(workflow, {"number": 1})
        stored = await runner.wait(result.id)
    assert list(result.tasks) == list(workflow.tasks)
    assert result == stored
    assert pickle.loads(pickle.dumps(result)) == stored
    assert repr(result.tasks) == repr(stored.tasks)
