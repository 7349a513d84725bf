"""The front door: `Runner` runs workflows from synchronous code, `AsyncRunner` from async code."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from cloacina.async_runner import AsyncRunner, Execution
from cloacina.execution.loop_thread import LoopThread, complete
from cloacina.stop_signals import calling_when_told_to_stop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from datetime import timedelta
    from pathlib import Path
    from types import TracebackType

    from cloacina.configuration import Durability, OnExit
    from cloacina.execution.clock import Clock
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

__all__ = ["AsyncRunner", "BlockingExecution", "Execution", "Runner"]

T = TypeVar("T")


class BlockingExecution:
    """An execution that was submitted to a `Runner`: `Execution`, not awaited."""

    __slots__ = ("_execution", "_runner")

    def __init__(self, runner: Runner, execution: Execution) -> None:
        self._runner = runner
        self._execution = execution

    def __repr__(self) -> str:
        return repr(self._execution)

    @property
    def id(self) -> str:
        """The execution's id."""
        return self._execution.id

    @property
    def is_new(self) -> bool:
        """Whether it was submitted now; False when there was one of its workflow and key."""
        return self._execution.is_new

    @property
    def is_over(self) -> bool:
        """Whether it has ended, and that is stored; see `Execution.is_over`."""
        return self._execution.is_over

    def wait(self, timeout: float | timedelta | None = None) -> ExecutionResult:
        """Wait for the end; see `Execution.wait`. What has ended can be read after the runner was left, too."""
        run = self._execution._run  # noqa: SLF001 - two faces of one thing
        if run is not None and run.is_over:
            return run.result()
        return self._runner._call(self._execution.wait, timeout)  # noqa: SLF001 - as above

    def cancel(self) -> bool:
        """Ask for the execution to be cancelled; see `Execution.cancel`."""
        run = self._execution._run  # noqa: SLF001 - as above
        if run is not None and run.is_over:
            return False
        return self._runner._call(self._execution.cancel)  # noqa: SLF001 - as above


class Runner:
    """Runs workflows from synchronous code, on an asyncio event loop in a thread of its own.

    It has the methods of `AsyncRunner`, not awaited, and works inside of a running event loop too, as in a notebook.
    Leaving its `with` block waits for everything that was submitted; leaving it by an exception cancels what has not
    ended. `on_exit` says otherwise.

    Args:
        database: As for `AsyncRunner`, like all others.
        max_concurrent_tasks: The number of slots.
        max_blocking_waits: How many `def` tasks may be in a wait at once.
        durability: `"full"` or `"fast"`.
        clock: The source of time.
        on_exit: `"wait"`, `"leave"` or `"cancel"`: what becomes of executions when the block is left.
        grace: For how many seconds tasks at work may go on when executions are left.
        take_up: Whether it takes up executions that belong to nobody.
        retention: How long executions are kept that have ended, in seconds.

    Raises:
        InvalidOption: An argument or a variable is out of its range.
        StoreError: On entering, when the database cannot be opened.

    Example:
        ```python
        from cloacina import Context, Runner, Workflow, task

        with Workflow("greeting") as greeting:

            @task
            def greet(context: Context) -> None:
                context["text"] = f"Hello, {context['name']}"

        with Runner("sqlite://") as runner:
            result = runner.execute(greeting, {"name": "Ada"}).raise_for_status()
        print(result.context["text"])
        #> Hello, Ada
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
        self._runner = AsyncRunner(
            database,
            max_concurrent_tasks=max_concurrent_tasks,
            max_blocking_waits=max_blocking_waits,
            durability=durability,
            clock=clock,
            on_exit=on_exit,
            grace=grace,
            take_up=take_up,
            retention=retention,
        )
        self._runner._engine.is_called_from_threads = True  # noqa: SLF001 - two faces of one thing
        self._thread: LoopThread | None = None

    def __enter__(self) -> Self:
        engine = self._runner._engine  # noqa: SLF001 - two faces of one thing
        engine.refuse_if_used()
        thread = LoopThread(engine)
        interruption = thread.start()
        self._thread = thread
        if interruption is not None:
            self.__exit__(type(interruption), interruption, None)
            raise interruption
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        thread, engine = self._thread, self._runner._engine  # noqa: SLF001 - as above
        if thread is None or engine.is_inherited:
            return
        cancel = kind is not None

        def leave() -> None:
            # Ctrl+C, or what a signal handler raises, while waiting for what was submitted: it counts as leaving by an
            # exception; and bodies have no more time. However often it comes, what is being left is left in order.
            nonlocal cancel
            cancel_now, cancel = cancel, True
            try:
                if engine.is_open:
                    thread.call(engine.close, cancel_now)
            finally:
                if not engine.is_open:
                    thread.join()
                    self._thread = None

        _, interruption = complete(leave)
        if interruption is not None:
            raise interruption

    def register(self, *workflows: Workflow) -> None:
        """Make workflows known by their names; see `AsyncRunner.register`."""
        self._runner.register(*workflows)

    def serve(self, *workflows: Workflow, on_change: Callable[[ExecutionChange], object] | None = None) -> None:
        """Take up what is submitted elsewhere and what others have left, until told to stop; see `AsyncRunner.serve`.

        Called in the main thread, SIGTERM and Ctrl+C tell it to.
        """
        with calling_when_told_to_stop(self.stop):
            self._call(partial(self._runner.serve, *workflows, on_change=on_change))

    def stop(self) -> None:
        """Let `serve` return, now or when it is called next; see `AsyncRunner.stop`."""
        self._runner.stop()

    def submit(
        self, workflow: Workflow | str, context: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> BlockingExecution:
        """Start an execution; see `AsyncRunner.submit`."""
        return BlockingExecution(self, self._call(partial(self._runner.submit, workflow, context, key=key)))

    def submit_many(
        self, workflow: Workflow | str, contexts: Iterable[Mapping[str, Any] | None]
    ) -> list[BlockingExecution]:
        """Start one execution for each context; see `AsyncRunner.submit_many`."""
        found = self._call(self._runner.submit_many, workflow, list(contexts))
        return [BlockingExecution(self, execution) for execution in found]

    def execute(self, workflow: Workflow | str, context: Mapping[str, Any] | None = None) -> ExecutionResult:
        """Submit an execution and wait for its end; see `AsyncRunner.execute`."""
        return self._call(self._runner.execute, workflow, context)

    def wait(self, execution: Target, timeout: float | timedelta | None = None) -> ExecutionResult:
        """Wait for the end of an execution; see `AsyncRunner.wait`."""
        return self._call(self._runner.wait, execution, timeout)

    def cancel(self, execution: Target) -> bool:
        """Cancel an execution of this runner or of none, or ask the runner that has it; see `AsyncRunner.cancel`."""
        return self._call(self._runner.cancel, execution)

    def resume(self, workflow: Workflow | str, execution: Target) -> BlockingExecution:
        """Take up one execution that belongs to nobody, as if it were submitted now; see `AsyncRunner.resume`."""
        return BlockingExecution(self, self._call(self._runner.resume, workflow, execution))

    def retry(self, execution: Target, context: Mapping[str, Any] | None = None) -> bool:
        """Let an execution that failed or was cancelled go on from there; see `Client.retry`."""
        return self._call(self._runner.retry, execution, context)

    def prune(self, older_than: float | timedelta) -> int:
        """Delete executions that ended long ago, and return how many; see `AsyncRunner.prune`."""
        return self._call(self._runner.prune, older_than)

    def signal(
        self, execution: Target, name: str, payload: Any = None, *, key: str | None = None, sender: str | None = None
    ) -> bool:
        """Send a signal to an execution, for the task that waits for it, now or later; see `Client.signal`."""
        return self._call(partial(self._runner.signal, execution, name, payload, key=key, sender=sender))

    def answer(self, question_id: str, value: Any, *, by: str | None = None) -> bool:
        """Answer a question; see `Client.answer`."""
        return self._call(partial(self._runner.answer, question_id, value, by=by))

    def execution(self, execution: Target) -> ExecutionRecord:
        """Return an execution; see `Client.execution`."""
        return self._call(self._runner.execution, execution)

    def executions(
        self,
        *,
        status: ExecutionStatus | str | None = None,
        workflow: str | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[ExecutionRecord]:
        """Return executions in the store, newest first; see `AsyncRunner.executions`."""
        return self._call(
            partial(self._runner.executions, status=status, workflow=workflow, limit=limit, before=before)
        )

    def tasks(self, execution: Target) -> list[TaskRecord]:
        """Return the tasks of an execution in topological order; see `AsyncRunner.tasks`."""
        return self._call(self._runner.tasks, execution)

    def events(self, execution: Target, *, after: int | None = None, limit: int | None = None) -> list[EventRecord]:
        """Return the events of an execution in the order in which they were stored; see `AsyncRunner.events`."""
        return self._call(partial(self._runner.events, execution, after=after, limit=limit))

    def waits(
        self, execution: Target | None = None, *, phase: WaitPhase | str | None = None, limit: int = 1000
    ) -> list[WaitRecord]:
        """Return waits in the order in which they began; see `AsyncRunner.waits`."""
        return self._call(partial(self._runner.waits, execution, phase=phase, limit=limit))

    def questions(self, execution: Target | None = None, *, limit: int = 1000) -> list[QuestionRecord]:
        """Return the questions that nobody has answered yet; see `Client.questions`."""
        return self._call(partial(self._runner.questions, execution, limit=limit))

    def signals(
        self, execution: Target, *, kind: SignalKind | str | None = None, limit: int = 1000
    ) -> list[SignalRecord]:
        """Return what an execution was sent, in the order of sending; see `Client.signals`."""
        return self._call(partial(self._runner.signals, execution, kind=kind, limit=limit))

    def _call(self, method: Callable[..., Awaitable[T]], *args: Any) -> T:
        if self._thread is None:
            raise self._runner._engine.closed()  # noqa: SLF001 - as above
        return self._thread.call(method, *args)
