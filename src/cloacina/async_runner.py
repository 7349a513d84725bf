"""`AsyncRunner`, the front door for async code: it runs workflows on the event loop that it is entered on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from cloacina.engine import Engine
from cloacina.retry import seconds
from cloacina.store import queries
from cloacina.submission import WorkflowRegistry, encode_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta
    from pathlib import Path
    from types import TracebackType

    from cloacina.configuration import Durability
    from cloacina.execution.clock import Clock
    from cloacina.scheduling.execution_run import ExecutionRun
    from cloacina.store.records import (
        EventRecord,
        ExecutionRecord,
        ExecutionResult,
        ExecutionStatus,
        TaskRecord,
        WaitPhase,
        WaitRecord,
    )
    from cloacina.workflow import Workflow


class Execution:
    """An execution that was submitted to an `AsyncRunner`."""

    __slots__ = ("_engine", "_run")

    def __init__(self, engine: Engine, run: ExecutionRun) -> None:
        self._engine = engine
        self._run = run

    def __repr__(self) -> str:
        return f"<Execution {self.id} of workflow {self._run.workflow.name!r}>"

    @property
    def id(self) -> str:
        """The execution's id."""
        return self._run.id

    async def wait(self, timeout: float | timedelta | None = None) -> ExecutionResult:
        """Wait for the end.

        Args:
            timeout: How long, in seconds; None for as long as it takes.

        Returns:
            The result, of a failed or cancelled execution too.

        Raises:
            TimeoutError: The time is up; the execution goes on.
            StoreWriteFailed: The runner has broken down, because it could not store what happened.
        """
        return await self._engine.wait(self._run, _limit(timeout))

    async def cancel(self) -> bool:
        """Ask for the execution to be cancelled; `wait` tells when it has ended.

        Returns:
            False when it had ended already.
        """
        return self._engine.cancel(self._run)


class AsyncRunner:
    """Runs workflows on the event loop that it is entered on: asyncio or trio.

    Used with `async with`. Leaving the block waits for everything that was submitted; leaving it by an exception
    cancels what has not ended.

    Args:
        database: The address of the database, such as `sqlite:///reports.db`, `sqlite://` (in memory), or the path of
            the file. Default: the variable `CLOACINA_DATABASE`, or `sqlite:///cloacina.db`.
        max_concurrent_tasks: The number of slots, at least 1. Default: `CLOACINA_MAX_CONCURRENT_TASKS`, or 4.
        max_blocking_waits: How many `def` tasks may be in a wait at once; each keeps a thread. A further one keeps its
            slot until one of them has ended. Default: `CLOACINA_MAX_BLOCKING_WAITS`, or 1 000.
        durability: `"normal"` survives the death of the process, and may lose the last commits when the power fails;
            `"full"` does not. Default: `CLOACINA_DURABILITY`, or `"normal"`.
        clock: The source of time.

    Raises:
        InvalidOption: An argument or a variable is out of its range.
        StoreError: On entering, when the database cannot be opened.

    Example:
        ```python
        import anyio
        from cloacina import AsyncRunner, Context, Workflow, task

        @task
        async def greet(context: Context) -> None:
            context["text"] = f"Hello, {context['name']}"

        async def main() -> None:
            async with AsyncRunner("sqlite://") as runner:
                result = await runner.execute(Workflow("greeting", tasks=[greet]), {"name": "Ada"})
            print(result.context["text"])
            #> Hello, Ada

        anyio.run(main)
        ```
    """

    def __init__(
        self,
        database: str | Path | None = None,
        *,
        max_concurrent_tasks: int | None = None,
        max_blocking_waits: int | None = None,
        durability: Durability | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._engine = Engine(database, max_concurrent_tasks, max_blocking_waits, durability, clock)
        self._registry = WorkflowRegistry()

    async def __aenter__(self) -> Self:
        await self._engine.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._engine.close(cancel=kind is not None)

    def register(self, *workflows: Workflow) -> None:
        """Make workflows known by their names, so that they can be submitted by name.

        Raises:
            DefinitionError: A workflow is not built yet.
        """
        self._registry.register(workflows)

    async def submit(self, workflow: Workflow | str, context: Mapping[str, Any] | None = None) -> Execution:
        """Start an execution; return when it is stored.

        Args:
            workflow: What to run, or the name of a registered workflow.
            context: The initial context.

        Raises:
            UnknownWorkflow: No workflow of that name is registered.
            NotJSONSerializable: The context holds what JSON cannot hold.
            InvalidInput: The workflow's input model refuses the context.
            RunnerClosed: The runner is not open.
            StoreWriteFailed: The database refused it, or cannot be written any more.
        """
        (execution,) = await self.submit_many(workflow, [context])
        return execution

    async def submit_many(
        self, workflow: Workflow | str, contexts: Iterable[Mapping[str, Any] | None]
    ) -> list[Execution]:
        """Start one execution for each context, all stored in one transaction: all of them, or none.

        Args:
            workflow: What to run, or the name of a registered workflow.
            contexts: The initial contexts.

        Raises:
            UnknownWorkflow: No workflow of that name is registered.
            NotJSONSerializable: A context holds what JSON cannot hold. Nothing was stored.
            InvalidInput: The workflow's input model refuses a context. Nothing was stored.
            RunnerClosed: The runner is not open.
            StoreWriteFailed: The database refused one of them, or cannot be written any more. Nothing was stored.
        """
        found = self._registry.find(workflow)
        encoded = [encode_context(found, context) for context in contexts]
        return [Execution(self._engine, run) for run in await self._engine.submit(found, encoded)]

    async def execute(self, workflow: Workflow | str, context: Mapping[str, Any] | None = None) -> ExecutionResult:
        """Submit an execution and wait for its end; see `submit` for the errors.

        Returns:
            The result; of a failed execution too, which `raise_for_status()` makes an exception.
        """
        found = self._registry.find(workflow)
        return await self._engine.execute(found, encode_context(found, context))

    async def wait(self, execution_id: str, timeout: float | timedelta | None = None) -> ExecutionResult:
        """Wait for the end of an execution of this runner, or return the stored result of one that has ended.

        Args:
            execution_id: The execution.
            timeout: How long, in seconds; None for as long as it takes.

        Raises:
            TimeoutError: The time is up; the execution goes on.
            UnknownExecution: The store holds none of that id, or it has not ended and is not this runner's.
        """
        if (run := self._engine.find(execution_id)) is not None:
            return await self._engine.wait(run, _limit(timeout))
        result = await self._engine.read(queries.result, execution_id)
        if result is None:
            raise self._engine.unknown(execution_id)
        return result

    async def cancel(self, execution_id: str) -> bool:
        """Ask for an execution of this runner to be cancelled.

        Returns:
            False when it had ended already.

        Raises:
            UnknownExecution: The store holds none of that id, or it has not ended and is not this runner's.
        """
        if (run := self._engine.find(execution_id)) is not None:
            return self._engine.cancel(run)
        if await self._engine.read(queries.result, execution_id) is None:
            raise self._engine.unknown(execution_id)
        return False

    async def executions(
        self,
        *,
        status: ExecutionStatus | str | None = None,
        workflow: str | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[ExecutionRecord]:
        """Return executions in the store, newest first.

        Args:
            status: Only those of this status.
            workflow: Only those of the workflow of this name.
            limit: How many at most, from 1.
            before: Only those older than the execution of this id: the last one of the page before.

        Raises:
            InvalidOption: The status is unknown, or the limit below 1.
        """
        return await self._engine.read(queries.executions, status, workflow, limit, before)

    async def tasks(self, execution_id: str) -> list[TaskRecord]:
        """Return the tasks of an execution in topological order; none when there is no such execution."""
        return await self._engine.read(queries.tasks, execution_id)

    async def events(
        self, execution_id: str, *, after: int | None = None, limit: int | None = None
    ) -> list[EventRecord]:
        """Return the events of an execution in the order in which they were stored.

        Args:
            execution_id: The execution.
            after: Only those behind the event of this number.
            limit: How many at most, from 1; None for all.
        """
        return await self._engine.read(queries.events, execution_id, after, limit)

    async def waits(
        self, execution_id: str | None = None, *, phase: WaitPhase | str | None = None, limit: int = 1000
    ) -> list[WaitRecord]:
        """Return waits in the order in which they began; the polls of this runner's waits are counted up to now.

        Args:
            execution_id: Only those of this execution.
            phase: Only those in this phase.
            limit: How many at most, from 1.
        """
        return self._engine.live(await self._engine.read(queries.waits, execution_id, phase, limit))


def _limit(timeout: float | timedelta | None) -> float | None:
    return None if timeout is None else seconds(timeout, "timeout")
