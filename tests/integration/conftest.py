"""What the tests of the engine share: waiting for something without sleeping for it, and tasks of one deferral."""

from __future__ import annotations

import inspect
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import anyio
import pytest

from cloacina import AsyncRunner, BlockingTaskHandle, Context, Execution, TaskHandle, task

PATIENCE_SECONDS = 60.0
"""How long a test waits for what has to come: long, because it bounds a hang and times nothing."""


class Until(Protocol):
    """Returns when a claim, `def` or `async def`, holds; fails the test when it never does."""

    def __call__(self, claim: Callable[[], object]) -> Awaitable[None]: ...


@pytest.fixture
def until() -> Until:
    """Return a function that waits for a claim about the engine to become true."""

    async def wait_until(claim: Callable[[], object]) -> None:
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                holds = claim()
                if await holds if inspect.isawaitable(holds) else holds:
                    return
                await anyio.sleep(0.001)

    return wait_until


class UntilWait(Protocol):
    """Returns when the newest wait of an execution is in a phase."""

    def __call__(
        self,
        runner: AsyncRunner,
        execution: Execution,
        phase: str = "waiting",
        *,
        meanwhile: Callable[[], object] = bool,
    ) -> Awaitable[None]: ...


@pytest.fixture
def until_wait(until: Until) -> UntilWait:
    """Return a function that waits until the newest wait of an execution is in a phase.

    Meanwhile something may be done before each look, such as to let virtual time pass.
    """

    async def wait_until(
        runner: AsyncRunner,
        execution: Execution,
        phase: str = "waiting",
        *,
        meanwhile: Callable[[], object] = bool,
    ) -> None:
        async def is_in_phase() -> bool:
            meanwhile()
            waits = await runner.waits(execution.id)
            return bool(waits) and waits[-1].phase == phase

        await until(is_in_phase)

    return wait_until


class Bodies:
    """Counts the task bodies that run outside of waits, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = 0
        self.most = 0

    @contextmanager
    def inside(self) -> Generator[None]:
        """Count the stretch of a body in the block."""
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            yield
        finally:
            with self._lock:
                self.now -= 1


@pytest.fixture
def bodies() -> Bodies:
    """Return a count of the bodies that run outside of waits."""
    return Bodies()


class Deferring(Protocol):
    """Makes a task of one deferral, `def` or `async def`."""

    def __call__(
        self, kind: str, name: str, condition: Callable[[], Any], journal: list[str] | None = None, **options: Any
    ) -> Callable[..., Any]: ...


@pytest.fixture
def deferring() -> Deferring:
    """Return a function that makes a task of one deferral.

    The journal notes when the body starts and goes on; the context gets what the wait returned, under the task's name.
    """

    def make(
        kind: str, name: str, condition: Callable[[], Any], journal: list[str] | None = None, **options: Any
    ) -> Callable[..., Any]:
        notes = [] if journal is None else journal
        options = {"poll_interval_ms": 1, **options}

        async def wait(context: Context, handle: TaskHandle) -> None:
            notes.append(f"{name} starts")
            context[name] = await handle.defer_until(condition, **options)
            notes.append(f"{name} goes on")

        def wait_blocking(context: Context, handle: BlockingTaskHandle) -> None:
            notes.append(f"{name} starts")
            context[name] = handle.defer_until(condition, **options)
            notes.append(f"{name} goes on")

        return task(id=name)(wait if kind == "async def" else wait_blocking)

    return make


Call = tuple[Any, ...]
"""A method of the handle, and what it is called with: positional arguments, then at most one dict of keywords."""


class Scripted(Protocol):
    """Makes a task, `def` or `async def`, of a script: it yields calls of the handle, and is sent what they return."""

    def __call__(
        self, kind: str, script: Callable[[Context], Generator[Call, Any, None]], **options: Any
    ) -> Callable[..., Any]: ...


@pytest.fixture
def scripted() -> Scripted:
    """Return a function that makes the same task in both kinds."""

    def make(kind: str, script: Callable[[Context], Generator[Call, Any, None]], **options: Any) -> Callable[..., Any]:
        async def body(context: Context, handle: TaskHandle) -> None:
            steps = script(context)
            call = next(steps, None)
            while call is not None:
                try:
                    value = _called(handle, call)
                    value = await value if inspect.isawaitable(value) else value
                except Exception as error:  # noqa: BLE001 - the script may expect it
                    call = _next(steps, error)
                else:
                    call = _next(steps, None, value)

        def blocking_body(context: Context, handle: BlockingTaskHandle) -> None:
            steps = script(context)
            call = next(steps, None)
            while call is not None:
                try:
                    value = _called(handle, call)
                except Exception as error:  # noqa: BLE001 - as above
                    call = _next(steps, error)
                else:
                    call = _next(steps, None, value)

        return task(id=script.__name__, **options)(body if kind == "async def" else blocking_body)

    return make


def _called(handle: Any, call: Call) -> Any:
    name, *arguments = call
    keywords = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
    return getattr(handle, name)(*arguments, **keywords)


def _next(steps: Generator[Call, Any, None], error: Exception | None, value: Any = None) -> Call | None:
    try:
        return steps.send(value) if error is None else steps.throw(error)
    except StopIteration:
        return None


class Crashed(Protocol):
    """Returns what a process leaves that dies now: a copy of its database, whose executions belong to nobody."""

    def __call__(self, path: Path) -> Path: ...


@pytest.fixture
def crashed(tmp_path: Path) -> Crashed:
    """Return a function that makes the copy; the runner of the original goes on, and knows nothing of it."""
    copies = count(1)

    def copy(path: Path) -> Path:
        left = tmp_path / f"crashed-{next(copies)}.db"
        with closing(sqlite3.connect(path)) as original, closing(sqlite3.connect(left)) as database:
            original.backup(database)
            database.execute("UPDATE workflow_executions SET runner_id = NULL WHERE finished_at IS NULL")
            database.commit()
        return left

    return copy
