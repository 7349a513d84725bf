"""Running a whole workflow in a test, in one call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from anyio.from_thread import start_blocking_portal

from cloacina.runner import AsyncRunner
from cloacina.testing.recovering import Driven
from cloacina.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from cloacina.store.records import ExecutionResult
    from cloacina.testing.recovering import RecoveredResult
    from cloacina.workflow import Workflow

Backend: TypeAlias = Literal["asyncio", "trio"]


@overload
def run_workflow(
    workflow: Workflow,
    context: Mapping[str, Any] | None = None,
    *,
    slots: int = 4,
    clock: VirtualClock | None = None,
    backend: Backend = "asyncio",
    signals: Iterable[tuple[str, Any]] = (),
    answers: Mapping[str, Any] | None = None,
    recover_at_every_wait: Literal[False] = False,
) -> ExecutionResult: ...


@overload
def run_workflow(
    workflow: Workflow,
    context: Mapping[str, Any] | None = None,
    *,
    slots: int = 4,
    clock: VirtualClock | None = None,
    backend: Backend = "asyncio",
    signals: Iterable[tuple[str, Any]] = (),
    answers: Mapping[str, Any] | None = None,
    recover_at_every_wait: Literal[True],
) -> RecoveredResult: ...


def run_workflow(
    workflow: Workflow,
    context: Mapping[str, Any] | None = None,
    *,
    slots: int = 4,
    clock: VirtualClock | None = None,
    backend: Backend = "asyncio",
    signals: Iterable[tuple[str, Any]] = (),
    answers: Mapping[str, Any] | None = None,
    recover_at_every_wait: bool = False,
) -> ExecutionResult:
    """Run a workflow in memory and in virtual time, and return its result: a test in one call.

    It blocks, and works inside of a running event loop too. For more than one execution, for a cancellation or for the
    events, open an `AsyncRunner` or a `Runner` with a `VirtualClock`.

    Args:
        workflow: What to run.
        context: The initial context.
        slots: How many tasks run at once.
        clock: The time that passes. Default: a new `VirtualClock`.
        backend: The kind of event loop.
        signals: Names and payloads of signals. Each is sent when a task waits for it, of one name in this order.
        answers: The answers to questions, by the text of the question; each is given when a task asks.
        recover_at_every_wait: End the runner, as a crash does, each time that a task gives its slot back, and go on
            with another one on the same file. So the bodies of tasks run again and again from their start.

    Returns:
        The result; of a failed execution too, which `raise_for_status()` makes an exception. With
        `recover_at_every_wait=True` a `RecoveredResult`, which tells what ran again.

    Raises:
        NotJSONSerializable: The context holds what JSON cannot hold.
        InvalidInput: The workflow's input model refuses the context.
        InvalidOption: `slots` is below 1.
        AssertionError: Something waits for ever: for a signal or an answer that is not given, or see `max_jumps` of
            `VirtualClock`.

    Example:
        ```python
        from datetime import timedelta

        from cloacina import Context, RetryPolicy, Workflow, task
        from cloacina.testing import VirtualClock, run_workflow

        clock = VirtualClock()


        @task(retry=RetryPolicy(attempts=3, delay=timedelta(hours=1)))
        def fetch(context: Context) -> None:
            if clock.elapsed < timedelta(hours=2):
                raise ConnectionError("the service is down")
            context["rows"] = 3


        def test_fetch_outlasts_an_outage():
            result = run_workflow(Workflow("fetch", tasks=[fetch]), clock=clock)
            assert result.context == {"rows": 3}
            assert result.tasks["fetch"].attempt == 3


        test_fetch_outlasts_an_outage()
        ```
    """
    clock = clock or VirtualClock()
    driven = Driven(workflow, context, slots, clock, signals, answers or {}, recovers=recover_at_every_wait)
    run: Callable[[], Awaitable[ExecutionResult]] = partial(_run, workflow, context, slots, clock)
    with start_blocking_portal(backend) as portal:
        return portal.call(driven.run if driven.is_needed else run)


async def _run(
    workflow: Workflow, context: Mapping[str, Any] | None, slots: int, clock: VirtualClock
) -> ExecutionResult:
    async with AsyncRunner("sqlite://", max_concurrent_tasks=slots, clock=clock) as runner:
        return await runner.execute(workflow, context)
