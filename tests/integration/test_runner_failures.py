"""What a failure tells, what becomes of the other tasks, and when a failed attempt is followed by another."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from cloacina import (
    AsyncRunner,
    Context,
    ContextSealed,
    ErrorRecord,
    InvalidTaskResult,
    NotJSONSerializable,
    RetryPolicy,
    TaskHandle,
    Workflow,
    task,
)
from cloacina.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloacina import ExecutionResult

_BOTH_KINDS = pytest.mark.parametrize("kind", ["async def", "def"])


def _task(kind: str, body: Callable[[Context], Any], **options: Any) -> Callable[..., Any]:
    """Return a task of either kind with the body."""

    async def run(context: Context) -> Any:
        return body(context)

    def run_blocking(context: Context) -> Any:
        return body(context)

    settings: dict[str, Any] = {"id": "work", **options}
    return task(**settings)(run if kind == "async def" else run_blocking)


async def _run(*tasks: Callable[..., Any], **options: Any) -> ExecutionResult:
    async with AsyncRunner("sqlite://", max_concurrent_tasks=2) as runner:
        return await runner.execute(Workflow("works", tasks=tasks, **options))


def _error(result: ExecutionResult) -> ErrorRecord:
    assert result.status == "Failed"
    assert result.error is not None
    return result.error


def _divide(context: Context) -> None:
    context["half"] = 1
    _deeper(0)


def _deeper(number: int) -> float:
    return 1 / number


@_BOTH_KINDS
async def test_the_error_names_task_attempt_and_exception_with_the_user_s_frames(kind: str) -> None:
    result = await _run(_task(kind, _divide))
    error = _error(result)
    assert (error.task_id, error.attempt, error.type, error.code) == ("work", 1, "ZeroDivisionError", None)
    assert error.message == "division by zero"
    lines = error.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    frames = [line.rsplit(" ", 1)[-1] for line in lines if line.startswith("  File ")]
    assert frames == ["run" if kind == "async def" else "run_blocking", "_divide", "_deeper"]
    assert lines[-1] == "ZeroDivisionError: division by zero"
    assert result.tasks["work"].error == error
    assert result.context == {}


@_BOTH_KINDS
async def test_the_causes_of_an_error_are_told_with_the_user_s_frames(kind: str) -> None:
    def fail(context: Context) -> None:
        try:
            _deeper(0)
        except ZeroDivisionError as error:
            raise LookupError("no ratio") from error

    error = _error(await _run(_task(kind, fail)))
    assert (error.type, error.message) == ("LookupError", "no ratio")
    assert "ZeroDivisionError: division by zero" in error.traceback
    assert "direct cause" in error.traceback


async def test_the_cause_of_a_failed_condition_is_told_without_the_engine_s_frames() -> None:
    def condition() -> bool:
        return _deeper(0) > 1

    @task
    async def work(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(condition)

    error = _error(await _run(work))
    cause, _, effect = error.traceback.partition("direct cause")
    frames = [line.rsplit(" ", 1)[-1] for line in cause.splitlines() if line.startswith("  File ")]
    assert frames == ["condition", "_deeper"]
    assert "in work" in effect


async def test_code_beside_the_engine_s_is_not_taken_for_the_engine_s() -> None:
    from pathlib import Path

    import cloacina

    neighbour = Path(cloacina.__file__).parent.with_name("cloacina_plugins") / "jobs.py"
    namespace: dict[str, Any] = {}
    exec(compile("def fail(context):\n    raise OSError('of the plugin')\n", str(neighbour), "exec"), namespace)
    error = _error(await _run(task(namespace["fail"])))
    assert "cloacina_plugins" in error.traceback


@_BOTH_KINDS
async def test_what_depends_on_a_failed_task_is_skipped_and_the_rest_finishes(kind: str) -> None:
    def note(context: Context) -> None:
        context[f"ran {len(context)}"] = True

    tasks = [
        _task(kind, _divide, id="fails"),
        _task(kind, note, id="child", dependencies=["fails"]),
        _task(kind, note, id="grandchild", dependencies=["child", "other"]),
        _task(kind, lambda context: context.update(other=True), id="other"),
        _task(kind, lambda context: context.update(after_other=True), id="after_other", dependencies=["other"]),
    ]
    async with AsyncRunner("sqlite://", max_concurrent_tasks=2) as runner:
        result = await runner.execute(Workflow("works", tasks=tasks))
        events = await runner.events(result.id)
    assert {name: record.status for name, record in result.tasks.items()} == {
        "fails": "Failed",
        "child": "Skipped",
        "grandchild": "Skipped",
        "other": "Completed",
        "after_other": "Completed",
    }
    assert _error(result).task_id == "fails"
    assert result.context == {"other": True, "after_other": True}
    skipped = {event.task_id: event.detail for event in events if event.type == "task_skipped"}
    assert skipped == {"child": {"because": "fails"}, "grandchild": {"because": "fails"}}


@_BOTH_KINDS
@pytest.mark.parametrize("value", [1, "text", False, {"a": 1}, ["row"]])
async def test_a_return_value_that_would_be_lost_fails_the_task(kind: str, value: object) -> None:
    error = _error(await _run(_task(kind, lambda context: value)))
    assert (error.task_id, error.code) == ("work", InvalidTaskResult.code)


@_BOTH_KINDS
async def test_a_task_may_return_its_context(kind: str) -> None:
    def work(context: Context) -> Context:
        context["done"] = True
        return context

    assert (await _run(_task(kind, work))).raise_for_status().context == {"done": True}


@_BOTH_KINDS
async def test_what_json_cannot_hold_fails_the_task_with_the_path(kind: str) -> None:
    def work(context: Context) -> None:
        context["rows"] = [{"tags": []}]
        context["rows"][0]["tags"].append({1, 2})

    error = _error(await _run(_task(kind, work)))
    assert error.code == NotJSONSerializable.code
    assert "rows" in error.message
    assert "tags" in error.message


@_BOTH_KINDS
async def test_a_system_exit_fails_its_task_and_nothing_else(kind: str) -> None:
    def leave(context: Context) -> None:
        raise SystemExit(3)

    async with AsyncRunner("sqlite://") as runner:
        result = await runner.execute(Workflow("leaves", tasks=[_task(kind, leave)]))
        assert (_error(result).type, _error(result).message) == ("SystemExit", "3")
        after = await runner.execute(Workflow("works", tasks=[_task(kind, lambda context: None)]))
        assert after.status == "Completed"


async def test_an_exception_group_is_told_whole() -> None:
    @task
    async def work(context: Context) -> None:
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(_fail_alone)

    error = _error(await _run(work))
    assert error.type == "ExceptionGroup"
    assert error.traceback.count("ValueError: alone") == 2


async def _fail_alone() -> None:
    raise ValueError("alone")


class _Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@_BOTH_KINDS
async def test_an_exception_that_cannot_be_printed_still_fails_only_its_task(kind: str) -> None:
    def fail(context: Context) -> None:
        raise _Unprintable

    error = _error(await _run(_task(kind, fail)))
    assert error.type.endswith("_Unprintable")


# ── Retries ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Flaky:
    """A body that fails a number of times."""

    def __init__(self, failures: int, error: BaseException | None = None) -> None:
        self.failures = failures
        self.error = error or OSError("not yet")
        self.seen: list[dict[str, Any]] = []

    def __call__(self, context: Context) -> None:
        self.seen.append(context.to_dict())
        context[f"attempt {len(self.seen)}"] = True
        if len(self.seen) <= self.failures:
            raise self.error


@_BOTH_KINDS
async def test_a_failed_attempt_is_followed_by_another_and_its_changes_are_discarded(kind: str) -> None:
    flaky = _Flaky(2)
    result = await _run(_task(kind, flaky, retry=RetryPolicy(attempts=3, delay=0)))
    assert result.raise_for_status().context == {"attempt 3": True}
    assert flaky.seen == [{}, {}, {}]
    assert (result.tasks["work"].attempt, result.tasks["work"].error) == (3, None)


@_BOTH_KINDS
async def test_every_attempt_sees_the_initial_context_and_what_the_ancestors_changed(kind: str) -> None:
    @task
    async def before(context: Context) -> None:
        context["before"] = 1

    flaky = _Flaky(2)
    work = _task(kind, flaky, dependencies=[before], retry=RetryPolicy(attempts=3, delay=0))
    async with AsyncRunner("sqlite://") as runner:
        await runner.execute(Workflow("works", tasks=[before, work]), {"initial": 0})
    assert flaky.seen == [{"initial": 0, "before": 1}] * 3


@_BOTH_KINDS
async def test_the_context_of_a_failed_attempt_is_sealed_while_the_next_one_writes(kind: str) -> None:
    contexts: list[Context] = []

    def fail_once(context: Context) -> None:
        contexts.append(context)
        if len(contexts) == 1:
            raise OSError("not yet")
        with pytest.raises(ContextSealed):
            contexts[0]["late"] = True
        context["in time"] = True

    result = await _run(_task(kind, fail_once, retry=RetryPolicy(attempts=2, delay=0)))
    assert result.raise_for_status().context == {"in time": True}


@_BOTH_KINDS
async def test_of_several_tasks_that_fail_the_first_is_shown(kind: str) -> None:
    def fail(context: Context) -> None:
        raise OSError("of whichever")

    tasks = [_task(kind, fail, id=name) for name in ("first", "second", "third")]
    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = await runner.execute(Workflow("works", tasks=tasks))
        (record,) = await runner.executions()
    assert [record.status for record in result.tasks.values()] == ["Failed"] * 3
    assert _error(result).task_id == "first"
    assert record.error == result.error


@_BOTH_KINDS
async def test_the_last_attempt_s_error_is_the_one_that_is_told(kind: str) -> None:
    flaky = _Flaky(5)
    error = _error(await _run(_task(kind, flaky, retry=RetryPolicy(attempts=2, delay=0))))
    assert (error.attempt, error.type, len(flaky.seen)) == (2, "OSError", 2)


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (RetryPolicy(attempts=4, delay=2), [2, 2, 2]),
        (RetryPolicy(attempts=4, delay=timedelta(seconds=2), backoff="exponential"), [2, 4, 8]),
        (RetryPolicy(attempts=4, delay=2, backoff="exponential", max_delay=3), [2, 3, 3]),
    ],
    ids=["fixed", "exponential", "bounded"],
)
async def test_the_delay_between_attempts(policy: RetryPolicy, delays: list[float]) -> None:
    @task(retry=policy)
    def fail(context: Context) -> None:
        raise OSError("never")

    async with AsyncRunner("sqlite://", clock=VirtualClock()) as runner:
        result = await runner.execute(Workflow("works", tasks=[fail]))
        events = await runner.events(result.id)
    retrying = [event for event in events if event.type == "task_retrying"]
    ready = [event for event in events if event.type == "task_ready"]
    assert [event.detail and event.detail["delay"] for event in retrying] == delays
    assert [(after.at - before.at).total_seconds() for before, after in zip(retrying, ready, strict=True)] == delays


async def test_a_slot_is_free_while_the_next_attempt_is_not_due() -> None:
    clock = VirtualClock(auto=False)
    journal: list[str] = []

    @task(retry=RetryPolicy(attempts=2, delay=60))
    def flaky(context: Context) -> None:
        journal.append("flaky")
        if len(journal) == 1:
            raise OSError("not yet")

    @task
    def other(context: Context) -> None:
        journal.append("other")

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1, clock=clock) as runner:
        execution = await runner.submit(Workflow("flaky", tasks=[flaky]))
        (await runner.execute(Workflow("other", tasks=[other]))).raise_for_status()
        await clock.settled()
        clock.advance(60)
        (await execution.wait()).raise_for_status()
    assert journal == ["flaky", "other", "flaky"]


@pytest.mark.parametrize(
    ("retry_on", "attempts"),
    [(OSError, 3), ((ValueError, OSError), 3), (ValueError, 1), (lambda error: "yet" in str(error), 3), (bool, 3)],
    ids=["class", "classes", "another class", "predicate", "truthy"],
)
async def test_only_what_the_policy_names_is_retried(retry_on: Any, attempts: int) -> None:
    flaky = _Flaky(9)
    if retry_on is bool:
        retry_on = lambda error: 1  # noqa: E731 - one of several
    error = _error(await _run(_task("def", flaky, retry=RetryPolicy(attempts=3, delay=0, retry_on=retry_on))))
    assert (len(flaky.seen), error.attempt) == (attempts, attempts)


async def test_a_predicate_that_fails_is_no_yes() -> None:
    def broken(error: Exception) -> bool:
        raise RuntimeError("broken predicate")

    flaky = _Flaky(9)
    error = _error(await _run(_task("def", flaky, retry=RetryPolicy(attempts=3, delay=0, retry_on=broken))))
    assert (len(flaky.seen), error.type) == (1, "OSError")
    assert "broken predicate" in error.traceback


async def test_a_system_exit_is_never_retried() -> None:
    flaky = _Flaky(9, SystemExit(1))
    error = _error(await _run(_task("def", flaky, retry=RetryPolicy(attempts=3, delay=0))))
    assert (len(flaky.seen), error.type) == (1, "SystemExit")


async def test_cancelling_between_two_attempts() -> None:
    has_failed = threading.Event()

    @task(retry=RetryPolicy(attempts=2, delay=3_600))
    def fail(context: Context) -> None:
        has_failed.set()
        raise OSError("not yet")

    async with AsyncRunner("sqlite://") as runner:
        execution = await runner.submit(Workflow("works", tasks=[fail]))
        with anyio.fail_after(20):
            while (await runner.tasks(execution.id))[0].status != "Pending":
                await anyio.sleep(0.001)
        await execution.cancel()
        result = await execution.wait(timeout=20)
    assert (result.status, result.tasks["fail"].status, result.tasks["fail"].attempt) == ("Cancelled", "Cancelled", 1)
