"""`Client`: a database without a runner, from a web application or a script."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from cloacina import asking
from cloacina.asking import check_key, check_target
from cloacina.configuration import Configuration
from cloacina.retry import seconds
from cloacina.shared_database import Ending, SharedDatabase, pauses
from cloacina.store import requests
from cloacina.store.later import queries
from cloacina.store.requests import Outcome
from cloacina.submission import WorkflowRegistry, encode_context, new_execution, new_execution_by_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta
    from pathlib import Path
    from types import TracebackType

    from cloacina.configuration import Durability
    from cloacina.store.lookup import Target
    from cloacina.store.pruning import Pruning
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
    from cloacina.store.requests import NewExecution
    from cloacina.workflow import Workflow


class ClientExecution:
    """An execution that was submitted by a `Client`."""

    __slots__ = ("_client", "_id", "_is_new")

    def __init__(self, client: Client, outcome: Outcome) -> None:
        self._client = client
        self._id = outcome.execution_id
        self._is_new = outcome.is_new

    def __repr__(self) -> str:
        return f"<ClientExecution {self._id}>"

    @property
    def id(self) -> str:
        """The execution's id."""
        return self._id

    @property
    def is_new(self) -> bool:
        """Whether it was submitted now; False when there was one of its workflow and key."""
        return self._is_new

    def wait(self, timeout: float | timedelta | None = None) -> ExecutionResult:
        """Wait for the end; see `Client.wait`."""
        return self._client.wait(self._id, timeout)

    def cancel(self) -> bool:
        """Ask for the execution to be cancelled; see `Client.cancel`."""
        return self._client.cancel(self._id)


class Client:
    """Submits executions, sends them signals and answers, and asks about them, without running anything.

    What is submitted is run by a runner on the same database that knows the workflow, in this process or another one.
    A client starts no thread, and may be used by several threads at once. It opens the database when it is entered, or
    first used, and closes it when its `with` block is left, or by `close()`.

    An execution is named by its id, or by the pair of its workflow's name and the key that it was submitted with.

    Args:
        database: The address of the database, such as `sqlite:///reports.db`, or the path of the file. Default: the
            variable `CLOACINA_DATABASE`, or `sqlite:///cloacina.db`.
        durability: As for `AsyncRunner`, of what the client writes.

    Raises:
        InvalidOption: An argument or a variable is out of its range.
        UnsupportedDatabase: The database is in memory, where nobody but its own runner sees it, or no SQLite database.
        StoreError: On entering or first use, when the database cannot be opened.

    Example:
        ```python
        from cloacina import Client

        with Client("orders.db") as client:
            execution = client.submit("order", {"item": "tea"}, key="order-17")
            again = client.submit("order", {"item": "tea"}, key="order-17")
            client.signal(("order", "order-17"), "paid", {"amount": 3})
            print(execution.is_new, again.is_new, execution.id == again.id)
            #> True False True
        ```
    """

    def __init__(self, database: str | Path | None = None, *, durability: Durability | None = None) -> None:
        self._database = SharedDatabase(Configuration.read(database, durability=durability))
        self._registry = WorkflowRegistry()

    def __enter__(self) -> Self:
        self._database.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database: the client cannot be used any more. Nothing when that is done."""
        self._database.close()

    # ── Executions ───────────────────────────────────────────────────────────────────────────────────────────────────

    def register(self, *workflows: Workflow) -> None:
        """Make workflows known by their names: contexts that are submitted by name are then validated here.

        Raises:
            DefinitionError: A workflow is not built yet.
        """
        self._registry.register(workflows)

    def submit(
        self, workflow: Workflow | str, context: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> ClientExecution:
        """Store an execution, for the first runner that takes it; return when that is done.

        Args:
            workflow: The workflow, or its name. By a name that is not registered here, the context is validated and the
                tasks are made by the runner.
            context: The initial context.
            key: What no other execution of the workflow has, such as the number of an order: if there is one, it is
                returned, and nothing is stored.

        Raises:
            InvalidName: No workflow can have that name.
            InvalidOption: The key is no text of 1 to 256 characters.
            NotJSONSerializable: The context holds what JSON cannot hold.
            InvalidInput: The workflow's input model refuses the context.
            StoreWriteFailed: It could not be stored.
        """
        check_key(key)
        request = partial(requests.submit, executions=self._new(workflow, [context]), now=time.time(), key=key)
        return ClientExecution(self, self._database.ask(request))

    def submit_many(
        self, workflow: Workflow | str, contexts: Iterable[Mapping[str, Any] | None]
    ) -> list[ClientExecution]:
        """Store one execution for each context, in one transaction: all of them, or none. See `submit`."""
        new = self._new(workflow, contexts)
        if not new:
            return []
        self._database.ask(partial(requests.submit, executions=new, now=time.time()))
        return [ClientExecution(self, Outcome(execution.id, is_new=True)) for execution in new]

    def execute(self, workflow: Workflow | str, context: Mapping[str, Any] | None = None) -> ExecutionResult:
        """Submit an execution and wait for its end, which needs a runner; see `submit` for the errors."""
        return self.submit(workflow, context).wait()

    def wait(self, execution: Target, timeout: float | timedelta | None = None) -> ExecutionResult:
        """Wait for the end of an execution, by looking at the database: 200 times a second at first, then 10 times.

        Args:
            execution: Its id, or `(workflow, key)`.
            timeout: How long, in seconds; None for as long as it takes.

        Returns:
            The result, of a failed or cancelled execution too.

        Raises:
            TimeoutError: The time is up; the execution goes on.
            UnknownExecution: There is none of that name, or it was deleted.
            StoreUnavailable: The database cannot be read.
        """
        end = Ending(self._database.watch(), execution, timeout)
        give_up_at = None if end.limit is None else time.monotonic() + end.limit
        for pause in pauses():
            if (result := end.look()) is not None:
                return result
            left = pause if give_up_at is None else give_up_at - time.monotonic()
            if left <= 0:
                break
            time.sleep(min(pause, left))
        raise end.timeout()

    def cancel(self, execution: Target) -> bool:
        """Cancel an execution that no runner has, or ask the runner that has it; `wait` tells when it has ended.

        Args:
            execution: Its id, or `(workflow, key)`.

        Returns:
            False when it had ended already, or its runner had been asked.

        Raises:
            UnknownExecution: There is none of that name.
            StoreWriteFailed: It could not be stored.
        """
        return self._database.ask(asking.cancel(execution, self._database.path, time.time())).is_new

    def retry(self, execution: Target, context: Mapping[str, Any] | None = None) -> bool:
        """Let an execution that failed or was cancelled go on from there.

        Its completed tasks stay; those that failed, were cancelled or skipped run again, with their attempts counted
        anew.

        Args:
            execution: Its id, or `(workflow, key)`.
            context: An initial context that takes the place of the one it has.

        Returns:
            False when there is nothing to retry: it has not ended, or has completed.

        Raises:
            UnknownExecution: There is none of that name.
            NotJSONSerializable: The context holds what JSON cannot hold.
            StoreWriteFailed: It could not be stored.
        """
        return self._database.ask(asking.retry(execution, context, self._database.path, time.time())).is_new

    def prune(self, older_than: float | timedelta) -> int:
        """Delete executions that ended long ago, with all that belongs to them, and return how many.

        Those that have not ended are never touched. Runners may be at work meanwhile: it is done in small transactions,
        and what was deleted stays so when it is interrupted. The file does not shrink; its room is used again.

        Args:
            older_than: How long ago they have to have ended, in seconds.

        Raises:
            InvalidOption: `older_than` is no duration.
            StoreUnavailable: The database cannot be read.
            StoreWriteFailed: It cannot be written.
        """
        pruning = self._pruning(older_than)
        while pruning.step():
            time.sleep(pruning.pause)
        return pruning.deleted

    # ── Signals and answers ──────────────────────────────────────────────────────────────────────────────────────────

    def signal(
        self, execution: Target, name: str, payload: Any = None, *, key: str | None = None, sender: str | None = None
    ) -> bool:
        """Send a signal to an execution, for the task that waits for it, now or later; return when it is stored.

        Args:
            execution: Its id, or `(workflow, key)`.
            name: The signal's name.
            payload: What it tells: a JSON value of at most a million characters.
            key: Of several signals of one name and key, only the first counts, as when a webhook calls twice.
            sender: Who sends it, for the history.

        Returns:
            False when one of that name and key had been sent before.

        Raises:
            UnknownExecution: There is none of that name.
            ExecutionEnded: It has ended, so nobody would read the signal.
            NotJSONSerializable: The payload holds what JSON cannot hold.
            InvalidName: No signal can have that name.
            InvalidOption: The payload is too large, or the key or the sender no text of 1 to 256 characters.
            StoreWriteFailed: It could not be stored.
        """
        return self._database.ask(asking.signal(execution, name, payload, key, sender, time.time())).is_new

    def answer(self, question_id: str, value: Any, *, by: str | None = None) -> bool:
        """Answer a question; return when the answer is stored.

        The first valid answer counts. What the question's schema allows and only its model refuses, the task's process
        refuses later: the question is then open again.

        Args:
            question_id: The id of a `QuestionRecord`.
            value: The answer, a JSON value.
            by: Who answers, for the history.

        Returns:
            False when the same answer had been given before.

        Raises:
            InvalidAnswer: The question asks for something else.
            QuestionClosed: There is another answer, or the task waits for none any more.
            UnknownQuestion: There is no such question.
            NotJSONSerializable: The value holds what JSON cannot hold.
            InvalidOption: The value is too large, or `by` no text of 1 to 256 characters.
            StoreWriteFailed: It could not be stored.
        """
        return self._database.ask(asking.answer(question_id, value, by, time.time())).is_new

    # ── Queries ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def execution(self, execution: Target) -> ExecutionRecord:
        """Return an execution.

        Args:
            execution: Its id, or `(workflow, key)`.

        Raises:
            UnknownExecution: There is none of that name.
        """
        found = self._database.read(queries.execution, check_target(execution))
        if found is None:
            raise requests.unknown(execution)
        return found

    def executions(
        self,
        *,
        status: ExecutionStatus | str | None = None,
        workflow: str | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[ExecutionRecord]:
        """Return executions in the database, newest first; see `AsyncRunner.executions`."""
        return self._database.read(queries.executions, status, workflow, limit, before)

    def tasks(self, execution: Target) -> list[TaskRecord]:
        """Return the tasks of an execution in topological order; none when there is no such execution."""
        return self._database.read(queries.tasks, check_target(execution))

    def events(self, execution: Target, *, after: int | None = None, limit: int | None = None) -> list[EventRecord]:
        """Return the events of an execution in the order in which they were stored; see `AsyncRunner.events`."""
        return self._database.read(queries.events, check_target(execution), after, limit)

    def waits(
        self, execution: Target | None = None, *, phase: WaitPhase | str | None = None, limit: int = 1000
    ) -> list[WaitRecord]:
        """Return waits in the order in which they began, with their polls as of a few seconds ago.

        Args:
            execution: Only those of this execution: its id, or `(workflow, key)`.
            phase: Only those in this phase.
            limit: How many at most, from 1.

        Raises:
            InvalidOption: The phase is unknown, or the limit below 1.
        """
        return self._database.read(queries.waits, _checked(execution), phase, limit)

    def questions(self, execution: Target | None = None, *, limit: int = 1000) -> list[QuestionRecord]:
        """Return the questions that nobody has answered yet, in the order in which they were asked.

        Args:
            execution: Only those of this execution: its id, or `(workflow, key)`.
            limit: How many at most, from 1.

        Raises:
            InvalidOption: The limit is below 1.
        """
        return self._database.read(queries.questions, _checked(execution), limit)

    def signals(
        self, execution: Target, *, kind: SignalKind | str | None = None, limit: int = 1000
    ) -> list[SignalRecord]:
        """Return what an execution was sent, in the order of sending: signals, answers, and requests to its runner.

        Args:
            execution: Its id, or `(workflow, key)`.
            kind: Only those that ask for this.
            limit: How many at most, from 1.

        Raises:
            InvalidOption: The kind is unknown, or the limit below 1.
        """
        return self._database.read(queries.signals, check_target(execution), kind, limit)

    def _pruning(self, older_than: float | timedelta) -> Pruning:
        from cloacina.store.pruning import Pruning  # noqa: PLC0415 - few delete anything, and SQLAlchemy is slow to import

        return Pruning(self._database.open(), time.time() - seconds(older_than, "older_than"))

    def _new(self, workflow: Workflow | str, contexts: Iterable[Mapping[str, Any] | None]) -> list[NewExecution]:
        if isinstance(workflow, str) and self._registry.get(workflow) is None:
            return [new_execution_by_name(workflow, encode_context(None, context)) for context in contexts]
        found = self._registry.find(workflow)
        return [new_execution(found, encode_context(found, context)) for context in contexts]


def _checked(execution: Target | None) -> Target | None:
    return None if execution is None else check_target(execution)
