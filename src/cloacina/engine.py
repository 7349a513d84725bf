"""What is behind both runners: all that can be done with executions while a runner is open."""

from __future__ import annotations

import contextvars
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import anyio

from cloacina.engine_life import EngineLife
from cloacina.errors import UnknownExecution
from cloacina.execution.thread_call import ThreadCall
from cloacina.membrane import Log
from cloacina.shared_database import Ending, result_of
from cloacina.stop_signals import calling_when_told_to_stop
from cloacina.store.later import queries
from cloacina.store.records import ExecutionChange, details_of, moment
from cloacina.store.wake import wake_all
from cloacina.submission import encode_context, takes_long

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from datetime import timedelta
    from pathlib import Path

    from cloacina.asking import Request
    from cloacina.execution.attempt import Attempt
    from cloacina.execution.event_loop import OneShot
    from cloacina.scheduling.execution_run import ExecutionRun
    from cloacina.store.connection import Connection
    from cloacina.store.lookup import StoredSignal, Target
    from cloacina.store.records import ExecutionResult, TaskRecord, WaitRecord
    from cloacina.store.requests import Outcome
    from cloacina.workflow import Workflow

P = ParamSpec("P")
T = TypeVar("T")

logger = Log("cloacina.engine")


class Engine(EngineLife):
    """A runner without a face: what `AsyncRunner` does, on the executions of `Scheduler` and on the database."""

    async def encode(self, workflow: Workflow, contexts: Sequence[Mapping[str, Any] | None]) -> list[dict[str, str]]:
        """Return initial contexts as JSON text by key, checked; what may take long is done in a thread.

        Raises:
            NotJSONSerializable: A context holds what JSON cannot hold.
            InvalidInput: The workflow's input model refuses a context.
        """
        if not takes_long(workflow, contexts):
            return _encoded(workflow, contexts)
        self._refuse_unless_open()
        # Functions of the input model see the caller's context variables.
        variables = contextvars.copy_context()
        return await self._call_in_thread(lambda: variables.run(_encoded, workflow, contexts))

    async def _call_in_thread(self, function: Callable[[], T]) -> T:
        self._calls += 1
        try:
            call = ThreadCall(self._loop, function)
            await call.wait()
        finally:
            self._call_has_ended()
        return call.result()

    async def submit(self, workflow: Workflow, contexts: Sequence[Mapping[str, str]]) -> list[ExecutionRun]:
        """Store and start executions."""
        self._refuse_unless_open()
        self.know(workflow)
        self._calls += 1
        try:
            return await self._scheduler.submit(workflow, contexts) if contexts else []
        finally:
            self._call_has_ended()

    async def execute(self, workflow: Workflow, context: Mapping[str, str]) -> ExecutionResult:
        """Store and start an execution, and wait for its end."""
        self._refuse_unless_open()
        self.know(workflow)
        self._callers_waiting += 1
        try:
            if (attempt := self._own_attempt()) is None:
                run = await self._scheduler.execute(workflow, context)
            else:
                run = await self._execute_within(attempt, workflow, context)
        finally:
            self._callers_waiting -= 1
        return await self._call_in_thread(run.result) if run.has_large_result else run.result()

    async def _execute_within(self, attempt: Attempt, workflow: Workflow, context: Mapping[str, str]) -> ExecutionRun:
        """Do the same for a task of this runner, which keeps its slot meanwhile."""
        with self._nested.waiting(attempt, None) as wait:
            (wait.run,) = await self._scheduler.submit(workflow, [context])
            await self._scheduler.wait(wait.run)
        return wait.run

    def find(self, execution_id: str) -> ExecutionRun | None:
        """Return an execution that has not ended."""
        self._refuse_unless_open()
        return self._scheduler.get(execution_id)

    async def wait(self, run: ExecutionRun, limit: float | None) -> ExecutionResult:
        """Wait for the end of an execution, for at most `limit` seconds."""
        if run.is_over:
            return run.result()
        self._refuse_elsewhere()
        self._callers_waiting += 1
        self._clock.reconsider()
        try:
            if (attempt := self._own_attempt()) is None:
                await self._wait_for(run, limit)
            else:
                with self._nested.waiting(attempt, run, is_bounded=limit is not None):
                    await self._wait_for(run, limit)
        finally:
            self._callers_waiting -= 1
        return await self._call_in_thread(run.result) if run.has_large_result else run.result()

    async def _wait_for(self, run: ExecutionRun, limit: float | None) -> None:
        if limit is None:
            await self._scheduler.wait(run)
        else:
            await self._wait_at_most(run, limit)

    async def _wait_at_most(self, run: ExecutionRun, limit: float) -> None:
        timers = self._resources.timers
        with anyio.CancelScope() as scope:
            timer = timers.call_after(limit, scope.cancel)
            try:
                await self._scheduler.wait(run)
            finally:
                timers.disarm(timer)
        if not run.is_over:
            message = f"execution {run.id} has not ended within {limit:g} s; it goes on"
            raise TimeoutError(message)

    async def serve(self, on_change: Callable[[ExecutionChange], object] | None) -> None:
        """Return when the runner is told to stop; it is left by `leave` then.

        Args:
            on_change: Told of each execution that is taken up or has ended.

        Raises:
            StoreWriteFailed: The runner has broken down.
        """
        self._refuse_unless_open()
        self.on_exit = "leave"
        scheduler = self._scheduler
        if on_change is not None:
            scheduler.on_change = partial(self._tell_change, on_change)
        self._callers_waiting += 1
        self._clock.reconsider()
        try:
            with calling_when_told_to_stop(self.stop):
                await scheduler.until(lambda: self._is_told_to_stop or scheduler.failure is not None)
        finally:
            self._callers_waiting -= 1
        scheduler.raise_failure()

    def _tell_change(self, on_change: Callable[[ExecutionChange], object], run: ExecutionRun) -> None:
        try:
            on_change(ExecutionChange(run.id, run.workflow.name, run.status, moment(self.now()), run.error))
        except Exception:
            logger.exception("who is to hear of executions has raised, at execution %s", run.id)

    def stop(self) -> None:
        """Let `serve` return; callable from any thread, and from the handler of a signal."""
        if not self.is_open:
            raise self.closed()
        self._loop.post(self._stop_serving)

    def _stop_serving(self) -> None:
        self._is_told_to_stop = True
        self._scheduler.look()

    @property
    def runner_id(self) -> str:
        """The id that the executions of this runner have, while it is open."""
        self._refuse_unless_open()
        return self._resources.runner_id

    @property
    def path(self) -> Path | None:
        """The file of the database, while the runner is open; None when it is in memory."""
        self._refuse_unless_open()
        return self._store.database.address.path

    def now(self) -> float:
        """Return the moment by the runner's clock, in seconds since the epoch."""
        return self._clock.time()

    def cancel(self, run: ExecutionRun) -> bool:
        """Cancel an execution; return False when it had ended already."""
        if run.is_over or run.status.is_final:
            return False
        self._refuse_unless_open()
        run.cancel_for_user(None)
        return True

    async def read(self, query: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a query that sees everything that was queued before."""
        self._refuse_unless_open()
        self._journal.flush()
        self._calls += 1
        try:
            return await self._store.read(query, *args, **kwargs)
        finally:
            self._call_has_ended()

    async def submit_once(
        self, workflow: Workflow, context: Mapping[str, str], key: str
    ) -> tuple[Outcome, ExecutionRun | None]:
        """Store and start an execution, unless its workflow has one of that key; see `Scheduler.submit_once`."""
        self._refuse_unless_open()
        self.know(workflow)
        self._journal.flush()
        return await self._scheduler.submit_once(workflow, context, key, self._store.transact)

    async def ask(self, request: Request) -> Outcome:
        """Store what a request asks for, behind all that was queued before, and tell whom it concerns."""
        self._refuse_unless_open()
        self._journal.flush()
        committed: OneShot[None] = self._loop.one_shot()

        def settle(done: Future[Outcome]) -> None:
            if done.exception() is None:
                self._tell(done.result())
            if not committed.done():
                committed.set_result(None)

        stored = self._store.transact(request, settle)
        await committed
        return stored.result()

    async def retry(self, request: Request) -> Outcome:
        """Do the same for one who lets an execution go on, and take it up if this runner knows its workflow."""
        outcome = await self.ask(request)
        if outcome.is_new and outcome.signal is None:
            await self._claim(outcome.execution_id)
        return outcome

    async def resume(self, workflow: Workflow, execution: Target) -> tuple[str, ExecutionRun | None]:
        """Take up an execution that nobody owns.

        Returns:
            Its id, and the execution if it has not ended and is this runner's.

        Raises:
            UnknownExecution: The workflow has no such execution.
        """
        found = await self.read(queries.execution, execution)
        if found is None or found.workflow != workflow.name:
            other = "" if found is None else f": it is one of {found.workflow!r}"
            raise UnknownExecution(f"workflow {workflow.name!r} has no execution {execution!r} in the database{other}")
        self._refuse_unless_open()
        self.know(workflow)
        if not found.status.is_final:
            await self._claim(found.id)
        return found.id, self._scheduler.get(found.id)

    async def _claim(self, execution_id: str) -> None:
        claiming = self._claiming
        if claiming is None:
            return
        for workflow in list(self._known.values()):
            claiming.know(workflow)
        claimed: OneShot[None] = self._loop.one_shot()

        def tell() -> None:
            if not claimed.done():
                claimed.set_result(None)

        claiming.claim(execution_id, tell)
        await claimed

    def _tell(self, outcome: Outcome) -> None:
        if outcome.signal is not None:
            self.deliver([outcome.signal])
        wake_all(outcome.wake)

    def deliver(self, signals: Sequence[StoredSignal]) -> None:
        """Hand signals that are stored to those who wait for them, on the loop's thread."""
        self._scheduler.deliver(signals)

    async def wait_elsewhere(self, execution: Target, timeout: float | timedelta | None) -> ExecutionResult:
        """Wait for the end of an execution that this runner does not have, by looking at the database.

        Raises:
            UnknownExecution: There is none of that name.
        """
        store = self._store
        end = Ending(store.watch, execution, timeout)

        async def look() -> ExecutionResult | None:
            self._refuse_unless_open()
            if store.database.is_in_memory:
                return await self.read(result_of, execution)
            return await store.look(end.look)

        return await end.until(look)

    async def prune(self, older_than: float) -> int:
        """Delete executions that ended longer ago than this many seconds; return how many."""
        self._refuse_unless_open()
        self._journal.flush()
        self._calls += 1
        try:
            pruning = await self._store.look(partial(self._store.pruning, self.now() - older_than))
            while await self._store.look(partial(self._store.prune, pruning)):  # noqa: ASYNC110 - each is work, and no look
                await anyio.sleep(pruning.pause)
            return pruning.deleted
        finally:
            self._call_has_ended()

    def live(self, waits: Sequence[WaitRecord]) -> list[WaitRecord]:
        """Return waits with what their counts are now; the store has them every few seconds."""
        return [self._live(record) for record in waits]

    def with_heartbeats(self, tasks: Sequence[TaskRecord]) -> list[TaskRecord]:
        """Return tasks with their last heartbeats; the store has them every few seconds."""
        return [self._with_heartbeat(record) for record in tasks]

    def _with_heartbeat(self, record: TaskRecord) -> TaskRecord:
        heartbeat = self._resources.heartbeats.of(record.id)
        if heartbeat is None:
            return record
        return replace(record, heartbeat_at=moment(heartbeat.at), heartbeat=details_of(heartbeat.details))

    def _live(self, record: WaitRecord) -> WaitRecord:
        wait = self._resources.waits.get(record.id)
        if wait is None or (polling := wait.polling) is None:
            return record
        changed: dict[str, Any] = {
            "polls": polling.polls,
            "errors": polling.errors,
            "next_poll_at": None if wait.next_poll_at is None else datetime.fromtimestamp(wait.next_poll_at, UTC),
        }
        return replace(record, **changed)


def _encoded(workflow: Workflow, contexts: Sequence[Mapping[str, Any] | None]) -> list[dict[str, str]]:
    return [encode_context(workflow, context) for context in contexts]
