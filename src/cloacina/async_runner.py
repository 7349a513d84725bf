"""`AsyncRunner`, the front door for async code: it runs workflows on the event loop that it is entered on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast
from weakref import finalize

from cloacina import asking
from cloacina.asking import check_key, check_target
from cloacina.engine import Engine
from cloacina.errors import UnknownExecution
from cloacina.retry import seconds
from cloacina.store import requests
from cloacina.store.later import queries
from cloacina.store.lookup import find
from cloacina.submission import WorkflowRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta
    from pathlib import Path
    from types import TracebackType

    from cloacina.configuration import Durability, OnExit
    from cloacina.execution.clock import Clock
    from cloacina.scheduling.execution_run import ExecutionRun
    from cloacina.store.lookup import Target
    from cloacina.store.records import (
        EventRecord,
        ExecutionChange,
        ExecutionRecord,
        ExecutionResult,
        ExecutionStatus,
        QuestionRecord,
        SignalKind,
        SignalRecord,
        TaskRecord,
        WaitPhase,
        WaitRecord,
    )
    from cloacina.workflow import Workflow


class Execution:
    """An execution that was submitted to an `AsyncRunner`."""

    __slots__ = ("_id", "_is_new", "_run", "_runner")

    def __init__(
        self, runner: AsyncRunner, execution_id: str, run: ExecutionRun | None, *, is_new: bool = True
    ) -> None:
        self._runner = runner
        self._id = execution_id
        self._run = run
        self._is_new = is_new

    def __repr__(self) -> str:
        workflow = "" if self._run is None else f" of workflow {self._run.workflow.name!r}"
        return f"<Execution {self._id}{workflow}>"

    @property
    def id(self) -> str:
        """The execution's id."""
        return self._id

    @property
    def is_new(self) -> bool:
        """Whether it was submitted now; False when there was one of its workflow and key."""
        return self._is_new

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and that is stored: `wait` returns at once.

        A task that has to wait for an execution of its own runner gives its slot back meanwhile:
        `await handle.defer_until(lambda: execution.is_over)`.

        Raises:
            UnknownExecution: It was there before, by its key, and another runner has it or had it: ask the database,
                by `executions()` or `wait()`.
        """
        if self._run is None:
            message = f"execution {self._id} is not run by this runner, which cannot tell at once whether it is over"
            raise UnknownExecution(f"{message}; ask by wait() or executions()")
        return self._run.is_over

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
        if self._run is None:
            return await self._runner.wait(self._id, timeout)
        return await self._runner._engine.wait(self._run, _limit(timeout))  # noqa: SLF001 - a part of it

    async def cancel(self) -> bool:
        """Ask for the execution to be cancelled; `wait` tells when it has ended.

        Returns:
            False when it had ended already.
        """
        if self._run is None:
            return await self._runner.cancel(self._id)
        return self._runner._engine.cancel(self._run)  # noqa: SLF001 - as above


class AsyncRunner:
    """Runs workflows on the event loop that it is entered on: asyncio or trio.

    Used with `async with`. What becomes of executions when the block is left, `on_exit` says. It is about those that
    were submitted to this runner: what it has taken up, because others had submitted or left it, goes back as it is
    stored, in any case, to be gone on with by the next runner that knows the workflow.

    Args:
        database: The address of the database, such as `sqlite:///reports.db`, `sqlite://` (in memory), or the path of
            the file. Default: the variable `CLOACINA_DATABASE`, or `sqlite:///cloacina.db`.
        max_concurrent_tasks: The number of slots, at least 1. Default: `CLOACINA_MAX_CONCURRENT_TASKS`, or 4.
        max_blocking_waits: How many `def` tasks may be in a wait at once; each keeps a thread. A further one keeps its
            slot until one of them has ended. Default: `CLOACINA_MAX_BLOCKING_WAITS`, or 1 000.
        durability: `"full"` waits for the disk before anybody is told of a commit, so that it outlives a power failure;
            `"fast"` outlives the death of the process only. Default: `CLOACINA_DURABILITY`, or `"full"`.
        clock: The source of time.
        on_exit: What leaving the block does. `"wait"`: it waits for what was submitted; left by an exception, it
            cancels that instead. `"leave"`: nothing new begins, the tasks at work have the time of `grace` to end or to
            wait, and everything stays as it is stored, also when the block is left by an exception. `"cancel"`: it
            cancels what was submitted. Default: `CLOACINA_ON_EXIT`, or `"wait"`.
        grace: For how many seconds tasks at work may go on when executions are left. Those that take longer are
            cancelled, and the next runner begins them again, in the same attempt. Default: `CLOACINA_GRACE`, or 10.
        take_up: Whether the runner takes up executions of the workflows that it knows when they belong to nobody.
        retention: How long executions are kept that have ended, in seconds: once an hour, and when the runner is
            entered, older ones are deleted as `prune` does, a few at a time; in memory nothing is. Default:
            `CLOACINA_RETENTION`, such as `30d`, or for ever.

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
        on_exit: OnExit | None = None,
        grace: float | timedelta | None = None,
        take_up: bool = True,
        retention: float | timedelta | None = None,
    ) -> None:
        self._engine = Engine(
            database,
            max_concurrent_tasks,
            max_blocking_waits,
            durability,
            clock,
            on_exit=on_exit,
            grace=grace,
            take_up=take_up,
            retention=retention,
        )
        self._registry = WorkflowRegistry()
        finalize(self, self._engine.lost).atexit = False

    async def __aenter__(self) -> Self:
        await self._engine.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._engine.close(cancel=kind is not None)

    def register(self, *workflows: Workflow) -> None:
        """Make workflows known by their names.

        They can be submitted by name, and their executions are taken up from now on: those that clients submit, and
        those that runners have left whose processes died. So register workflows when the program starts.

        Raises:
            DefinitionError: A workflow is not built yet.
        """
        self._registry.register(workflows)
        for workflow in workflows:
            self._engine.know(workflow)

    async def serve(self, *workflows: Workflow, on_change: Callable[[ExecutionChange], object] | None = None) -> None:
        """Take up what is submitted elsewhere and what other runners have left, until the runner is told to stop.

        Told by `stop()`, by SIGTERM or Ctrl+C in the main thread of a program that does not handle SIGTERM itself, or
        by being cancelled. The runner is left by `on_exit="leave"` after that, whatever it was made with.

        Args:
            workflows: What to register first.
            on_change: Called with each execution that is taken up, and again when it has ended; on the event loop, so
                it must not block.

        Raises:
            RunnerClosed: The runner is not open.
            StoreWriteFailed: The runner has broken down.
            DefinitionError: A workflow is not built yet.

        Example:
            ```python
            import anyio
            from cloacina import AsyncClient, AsyncRunner, Context, Workflow, task

            @task
            def greet(context: Context) -> None:
                context["text"] = f"Hello, {context['name']}"

            greeting = Workflow("greeting", tasks=[greet])

            async def submit_elsewhere(runner: AsyncRunner) -> None:
                async with AsyncClient("served.db") as client:
                    execution = await client.submit("greeting", {"name": "Ada"})
                    print((await execution.wait()).context["text"])
                    #> Hello, Ada
                runner.stop()

            async def main() -> None:
                async with AsyncRunner("served.db") as runner, anyio.create_task_group() as group:
                    group.start_soon(submit_elsewhere, runner)
                    await runner.serve(greeting)

            anyio.run(main)
            ```
        """
        self.register(*workflows)
        await self._engine.serve(on_change)

    def stop(self) -> None:
        """Let `serve` return, now or when it is called next. It may be called from any thread.

        Raises:
            RunnerClosed: The runner is not open.
        """
        self._engine.stop()

    async def submit(
        self, workflow: Workflow | str, context: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> Execution:
        """Start an execution; return when it is stored.

        Args:
            workflow: What to run, or the name of a registered workflow.
            context: The initial context.
            key: What no other execution of the workflow has, such as the number of an order: if there is one, it is
                returned, and nothing is started.

        Raises:
            UnknownWorkflow: No workflow of that name is registered.
            InvalidOption: The key is no text of 1 to 256 characters.
            NotJSONSerializable: The context holds what JSON cannot hold.
            InvalidInput: The workflow's input model refuses the context.
            RunnerClosed: The runner is not open.
            StoreWriteFailed: The database refused it, or cannot be written any more.
        """
        if key is None:
            (execution,) = await self.submit_many(workflow, [context])
            return execution
        check_key(key)
        found = self._registry.find(workflow)
        (encoded,) = await self._engine.encode(found, [context])
        outcome, run = await self._engine.submit_once(found, encoded, key)
        return Execution(self, outcome.execution_id, run, is_new=outcome.is_new)

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
        encoded = await self._engine.encode(found, list(contexts))
        return [Execution(self, run.id, run) for run in await self._engine.submit(found, encoded)]

    async def execute(self, workflow: Workflow | str, context: Mapping[str, Any] | None = None) -> ExecutionResult:
        """Submit an execution and wait for its end; see `submit` for the errors.

        Returns:
            The result; of a failed execution too, which `raise_for_status()` makes an exception.
        """
        found = self._registry.find(workflow)
        (encoded,) = await self._engine.encode(found, [context])
        return await self._engine.execute(found, encoded)

    async def wait(self, execution: Target, timeout: float | timedelta | None = None) -> ExecutionResult:
        """Wait for the end of an execution; of one that this runner does not have, by looking at the database.

        Args:
            execution: Its id, or `(workflow, key)`.
            timeout: How long, in seconds; None for as long as it takes.

        Returns:
            The result, of a failed or cancelled execution too.

        Raises:
            TimeoutError: The time is up; the execution goes on.
            UnknownExecution: The database holds none of that name.
        """
        if (run := await self._find(execution)) is not None:
            return await self._engine.wait(run, _limit(timeout))
        result = await self._engine.read(queries.result, execution)
        return await self._engine.wait_elsewhere(execution, timeout) if result is None else result

    async def cancel(self, execution: Target) -> bool:
        """Cancel an execution of this runner or of none, or ask the runner that has it; `wait` tells when it has ended.

        Args:
            execution: Its id, or `(workflow, key)`.

        Returns:
            False when it had ended already, or its runner had been asked.

        Raises:
            UnknownExecution: The database holds none of that name.
        """
        engine = self._engine
        if (run := await self._find(execution)) is not None:
            return engine.cancel(run)
        return (await engine.ask(asking.cancel(execution, engine.path, engine.now()))).is_new

    async def resume(self, workflow: Workflow | str, execution: Target) -> Execution:
        """Take up one execution that belongs to nobody, as if it were submitted now.

        It is for a runner that takes up no others (`take_up=False`), and for one that is to be left when the execution
        has ended.

        Args:
            workflow: Its workflow, or the name of a registered one.
            execution: Its id, or `(workflow, key)`.

        Returns:
            The execution. If it has ended, or another runner has it, nothing is taken up, and `wait()` waits for it.

        Raises:
            UnknownWorkflow: No workflow of that name is registered.
            UnknownExecution: The workflow has no such execution.
        """
        execution_id, run = await self._engine.resume(self._registry.find(workflow), check_target(execution))
        return Execution(self, execution_id, run, is_new=False)

    async def retry(self, execution: Target, context: Mapping[str, Any] | None = None) -> bool:
        """Let an execution that failed or was cancelled go on from there; see `Client.retry`."""
        engine = self._engine
        request = asking.retry(execution, context, engine.path, engine.now(), engine.runner_id)
        return (await engine.retry(request)).is_new

    async def prune(self, older_than: float | timedelta) -> int:
        """Delete executions that ended long ago, and return how many; see `Client.prune`.

        Its transactions take their turn among those of the runner. It may be cancelled between two of them.
        """
        return await self._engine.prune(seconds(older_than, "older_than"))

    async def signal(
        self, execution: Target, name: str, payload: Any = None, *, key: str | None = None, sender: str | None = None
    ) -> bool:
        """Send a signal to an execution, for the task that waits for it, now or later; see `Client.signal`."""
        engine = self._engine
        return (await engine.ask(asking.signal(execution, name, payload, key, sender, engine.now()))).is_new

    async def answer(self, question_id: str, value: Any, *, by: str | None = None) -> bool:
        """Answer a question; see `Client.answer`."""
        return (await self._engine.ask(asking.answer(question_id, value, by, self._engine.now()))).is_new

    async def _find(self, execution: Target) -> ExecutionRun | None:
        """Return an execution of this runner that has not ended."""
        if isinstance(check_target(execution), str):
            return self._engine.find(cast("str", execution))
        found = await self._engine.read(find, execution)
        return None if found is None else self._engine.find(found.id)

    async def execution(self, execution: Target) -> ExecutionRecord:
        """Return an execution; see `Client.execution`."""
        found = await self._engine.read(queries.execution, check_target(execution))
        if found is None:
            raise requests.unknown(execution)
        return found

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

    async def tasks(self, execution: Target) -> list[TaskRecord]:
        """Return the tasks of an execution in topological order; none when there is no such execution."""
        return self._engine.with_heartbeats(await self._engine.read(queries.tasks, check_target(execution)))

    async def events(
        self, execution: Target, *, after: int | None = None, limit: int | None = None
    ) -> list[EventRecord]:
        """Return the events of an execution in the order in which they were stored.

        Args:
            execution: Its id, or `(workflow, key)`.
            after: Only those behind the event of this number.
            limit: How many at most, from 1; None for all.
        """
        return await self._engine.read(queries.events, check_target(execution), after, limit)

    async def waits(
        self, execution: Target | None = None, *, phase: WaitPhase | str | None = None, limit: int = 1000
    ) -> list[WaitRecord]:
        """Return waits in the order in which they began; the polls of this runner's waits are counted up to now.

        Args:
            execution: Only those of this execution: its id, or `(workflow, key)`.
            phase: Only those in this phase.
            limit: How many at most, from 1.
        """
        target = None if execution is None else check_target(execution)
        return self._engine.live(await self._engine.read(queries.waits, target, phase, limit))

    async def questions(self, execution: Target | None = None, *, limit: int = 1000) -> list[QuestionRecord]:
        """Return the questions that nobody has answered yet; see `Client.questions`."""
        target = None if execution is None else check_target(execution)
        return await self._engine.read(queries.questions, target, limit)

    async def signals(
        self, execution: Target, *, kind: SignalKind | str | None = None, limit: int = 1000
    ) -> list[SignalRecord]:
        """Return what an execution was sent, in the order of sending; see `Client.signals`."""
        return await self._engine.read(queries.signals, check_target(execution), kind, limit)


def _limit(timeout: float | timedelta | None) -> float | None:
    return None if timeout is None else seconds(timeout, "timeout")
