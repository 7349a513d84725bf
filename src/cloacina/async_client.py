"""`AsyncClient`: a `Client` for async code, on asyncio or trio."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

import anyio
import anyio.to_thread

from cloacina.client import Client
from cloacina.shared_database import Ending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta
    from pathlib import Path
    from types import TracebackType

    from cloacina.client import ClientExecution
    from cloacina.configuration import Durability
    from cloacina.store.lookup import Target
    from cloacina.store.records import (
        EventRecord,
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

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 8


class AsyncClientExecution:
    """An execution that was submitted by an `AsyncClient`."""

    __slots__ = ("_client", "_execution")

    def __init__(self, client: AsyncClient, execution: ClientExecution) -> None:
        self._client = client
        self._execution = execution

    def __repr__(self) -> str:
        return f"<AsyncClientExecution {self.id}>"

    @property
    def id(self) -> str:
        """The execution's id."""
        return self._execution.id

    @property
    def is_new(self) -> bool:
        """Whether it was submitted now; False when there was one of its workflow and key."""
        return self._execution.is_new

    async def wait(self, timeout: float | timedelta | None = None) -> ExecutionResult:
        """Wait for the end; see `Client.wait`."""
        return await self._client.wait(self.id, timeout)

    async def cancel(self) -> bool:
        """Ask for the execution to be cancelled; see `Client.cancel`."""
        return await self._client.cancel(self.id)


class AsyncClient:
    """Does what a `Client` does, without blocking the event loop: asyncio's or trio's.

    The database is read and written in up to eight threads of its own; a `wait` keeps none. A call that is cancelled
    while it writes returns when that is done: what it asked for is then stored.

    Args:
        database: As for `Client`.
        durability: As for `Client`.

    Raises:
        InvalidOption: An argument or a variable is out of its range.
        UnsupportedDatabase: The database is in memory, where nobody but its own runner sees it, or no SQLite database.
        StoreError: On entering or first use, when the database cannot be opened.

    Example:
        ```python
        import anyio
        from cloacina import AsyncClient

        async def main() -> None:
            async with AsyncClient("orders.db") as client:
                execution = await client.submit("order", {"item": "tea"})
                await client.cancel(execution.id)
                result = await execution.wait()
            print(result.status)
            #> Cancelled

        anyio.run(main)
        ```
    """

    def __init__(self, database: str | Path | None = None, *, durability: Durability | None = None) -> None:
        self._client = Client(database, durability=durability)
        self._limiter = anyio.CapacityLimiter(_THREADS)

    async def __aenter__(self) -> Self:
        await self._write(self._client.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the database: the client cannot be used any more. Nothing when that is done."""
        with anyio.CancelScope(shield=True):
            await self._write(self._client.close)

    # ── Executions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def register(self, *workflows: Workflow) -> None:
        """Make workflows known by their names; see `Client.register`."""
        self._client.register(*workflows)

    async def submit(
        self, workflow: Workflow | str, context: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> AsyncClientExecution:
        """Store an execution, for the first runner that takes it; see `Client.submit`."""
        return AsyncClientExecution(self, await self._write(self._client.submit, workflow, context, key=key))

    async def submit_many(
        self, workflow: Workflow | str, contexts: Iterable[Mapping[str, Any] | None]
    ) -> list[AsyncClientExecution]:
        """Store one execution for each context, in one transaction; see `Client.submit_many`."""
        found = await self._write(self._client.submit_many, workflow, list(contexts))
        return [AsyncClientExecution(self, execution) for execution in found]

    async def execute(self, workflow: Workflow | str, context: Mapping[str, Any] | None = None) -> ExecutionResult:
        """Submit an execution and wait for its end; see `Client.execute`."""
        return await (await self.submit(workflow, context)).wait()

    async def wait(self, execution: Target, timeout: float | timedelta | None = None) -> ExecutionResult:
        """Wait for the end of an execution; see `Client.wait`."""
        watch = await self._read(self._client._database.watch)  # noqa: SLF001 - two faces of one thing
        end = Ending(watch, execution, timeout)
        return await end.until(lambda: self._read(end.look))

    async def cancel(self, execution: Target) -> bool:
        """Cancel an execution that no runner has, or ask the runner that has it; see `Client.cancel`."""
        return await self._write(self._client.cancel, execution)

    async def retry(self, execution: Target, context: Mapping[str, Any] | None = None) -> bool:
        """Let an execution that failed or was cancelled go on from there; see `Client.retry`."""
        return await self._write(self._client.retry, execution, context)

    async def prune(self, older_than: float | timedelta) -> int:
        """Delete executions that ended long ago, and return how many; see `Client.prune`.

        It may be cancelled between two of its transactions.
        """
        pruning = await self._write(self._client._pruning, older_than)  # noqa: SLF001 - they are one
        while await self._write(pruning.step):  # noqa: ASYNC110 - each step is work, and no look
            await anyio.sleep(pruning.pause)
        return pruning.deleted

    # ── Signals and answers ──────────────────────────────────────────────────────────────────────────────────────────

    async def signal(
        self, execution: Target, name: str, payload: Any = None, *, key: str | None = None, sender: str | None = None
    ) -> bool:
        """Send a signal to an execution; see `Client.signal`."""
        return await self._write(self._client.signal, execution, name, payload, key=key, sender=sender)

    async def answer(self, question_id: str, value: Any, *, by: str | None = None) -> bool:
        """Answer a question; see `Client.answer`."""
        return await self._write(self._client.answer, question_id, value, by=by)

    # ── Queries ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def execution(self, execution: Target) -> ExecutionRecord:
        """Return an execution; see `Client.execution`."""
        return await self._read(self._client.execution, execution)

    async def executions(
        self,
        *,
        status: ExecutionStatus | str | None = None,
        workflow: str | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[ExecutionRecord]:
        """Return executions in the database, newest first; see `AsyncRunner.executions`."""
        return await self._read(self._client.executions, status=status, workflow=workflow, limit=limit, before=before)

    async def tasks(self, execution: Target) -> list[TaskRecord]:
        """Return the tasks of an execution in topological order; see `Client.tasks`."""
        return await self._read(self._client.tasks, execution)

    async def events(
        self, execution: Target, *, after: int | None = None, limit: int | None = None
    ) -> list[EventRecord]:
        """Return the events of an execution in the order in which they were stored; see `AsyncRunner.events`."""
        return await self._read(self._client.events, execution, after=after, limit=limit)

    async def waits(
        self, execution: Target | None = None, *, phase: WaitPhase | str | None = None, limit: int = 1000
    ) -> list[WaitRecord]:
        """Return waits in the order in which they began; see `Client.waits`."""
        return await self._read(self._client.waits, execution, phase=phase, limit=limit)

    async def questions(self, execution: Target | None = None, *, limit: int = 1000) -> list[QuestionRecord]:
        """Return the questions that nobody has answered yet; see `Client.questions`."""
        return await self._read(self._client.questions, execution, limit=limit)

    async def signals(
        self, execution: Target, *, kind: SignalKind | str | None = None, limit: int = 1000
    ) -> list[SignalRecord]:
        """Return what an execution was sent, in the order of sending; see `Client.signals`."""
        return await self._read(self._client.signals, execution, kind=kind, limit=limit)

    # ── Threads ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _read(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        call = partial(method, *args, **kwargs)
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._limiter)

    async def _write(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        # Not abandoned: whoever is cancelled would not know whether it was stored.
        return await anyio.to_thread.run_sync(partial(method, *args, **kwargs), limiter=self._limiter)
