"""Running a whole workflow in a test, in one call."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from anyio.from_thread import start_blocking_portal

from cloacina.runner import AsyncRunner
from cloacina.testing.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloacina.store.records import ExecutionResult
    from cloacina.workflow import Workflow


def run_workflow(
    workflow: Workflow,
    context: Mapping[str, Any] | None = None,
    *,
    slots: int = 4,
    clock: VirtualClock | None = None,
    backend: Literal["asyncio", "trio"] = "asyncio",
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

    Returns:
        The result; of a failed execution too, which `raise_for_status()` makes an exception.

    Raises:
        NotJSONSerializable: The context holds what JSON cannot hold.
        InvalidInput: The workflow's input model refuses the context.
        InvalidOption: `slots` is below 1.
        AssertionError: Something waits for ever; see `max_jumps` of `VirtualClock`.

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
    run = partial(_run, workflow, context, slots, clock or VirtualClock())
    with start_blocking_portal(backend) as portal:
        return portal.call(run)


async def _run(
    workflow: Workflow, context: Mapping[str, Any] | None, slots: int, clock: VirtualClock
) -> ExecutionResult:
    async with AsyncRunner("sqlite://", max_concurrent_tasks=slots, clock=clock) as runner:
        return await runner.execute(workflow, context)
