"""Exceptions that no program expects, where the engine calls a user's code: they fail a task, never the runner."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import anyio
import pytest

from cloacina import (
    AsyncRunner,
    CloacinaError,
    ConditionError,
    Context,
    ExecutionFailed,
    RetryPolicy,
    TaskHandle,
    Workflow,
    task,
)
from cloacina.membrane import LONGEST_LINE, LONGEST_MESSAGE
from cloacina.testing import VirtualClock
from odd_exceptions import (
    HUGE,
    UNDECODABLE,
    OddText,
    OddType,
    SaysNothing,
    branching_group,
    circle,
    deep_group,
    long_chain,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.anyio

EXITS = [SystemExit(3), GeneratorExit(), KeyboardInterrupt(), BaseExceptionGroup("several", [SystemExit(3)])]


@task
async def one(context: Context) -> None:
    context["key"] = 1


@task
async def other(context: Context) -> None:
    context["key"] = 2


@task(dependencies=[one, other])
async def join(context: Context) -> None:
    pass


@task
async def nothing(context: Context) -> None:
    pass


async def assert_goes_on(runner: AsyncRunner) -> None:
    """Assert that a runner has not broken down."""
    (await runner.execute(Workflow("nothing", tasks=[nothing]))).raise_for_status()


class PaymentFailed(CloacinaError):
    """An error of a program's own, derived from the library's base class as one does elsewhere."""

    def __init__(self, order: int) -> None:
        self.order = order


class Lies(ValueError):
    """An exception whose attributes raise, and which is no exception if one asks it."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise SystemExit(name)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise SystemExit(name)

    def __str__(self) -> NoReturn:
        raise SystemExit("text")

    def __eq__(self, other: object) -> NoReturn:
        raise SystemExit("equal")

    def __hash__(self) -> NoReturn:
        raise SystemExit("hash")


class OfAnOddClass(LookupError, metaclass=OddType):
    """An exception whose class tells nothing of itself."""


NASTY: dict[str, Callable[[], BaseException]] = {
    "no text": SaysNothing,
    "exit in the text": lambda: Lies("text"),
    "odd class": lambda: OfAnOddClass("text"),
    "odd text": lambda: ValueError(OddText("text")),
    "huge text": lambda: ValueError(HUGE),
    "text no file can hold": lambda: FileNotFoundError(f"{UNDECODABLE}\0"),
    "own subclass": lambda: PaymentFailed(7),
    "error as message": lambda: CloacinaError(KeyError("order")),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    "long chain": long_chain,
    "circle": circle,
    "deep group": lambda: deep_group(500),
    "branching group": branching_group,
    "exit": lambda: SystemExit(3),
    "generator exit": GeneratorExit,
    "group of exits": lambda: BaseExceptionGroup("several", [SystemExit(3)]),
    "somebody's cancellation": asyncio.CancelledError,
}


@pytest.mark.parametrize("make", NASTY.values(), ids=NASTY)
async def test_a_nasty_exception_fails_its_execution_and_nothing_else(make: Callable[[], BaseException]) -> None:
    def fail(*_: Any) -> NoReturn:
        raise make()

    async def fail_async() -> NoReturn:
        raise make()

    @task(retry=RetryPolicy(attempts=2, delay=0))
    async def in_a_body(context: Context) -> None:
        fail()

    @task(retry=RetryPolicy(attempts=2, delay=0))
    def in_a_thread(context: Context) -> None:
        fail()

    @task
    async def in_a_condition(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(fail)

    @task
    async def in_an_async_condition(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(fail_async)

    @task
    async def in_a_later_call(context: Context, handle: TaskHandle) -> None:
        answers = iter([lambda: False, fail, fail])
        await handle.defer_until(lambda: next(answers)(), poll_interval_ms=1, tolerate_errors=1)

    @task(retry=RetryPolicy(attempts=2, delay=0, retry_on=fail))
    async def in_retry_on(context: Context) -> None:
        raise OSError("the task's own")

    places: list[Callable[..., Any]] = [
        in_a_body,
        in_a_thread,
        in_a_condition,
        in_an_async_condition,
        in_a_later_call,
        in_retry_on,
    ]
    async with AsyncRunner("sqlite://", max_concurrent_tasks=2) as runner:
        executions = [await runner.submit(Workflow("failing", tasks=[place])) for place in places]
        results = [await execution.wait() for execution in executions]
        await assert_goes_on(runner)
        assert [result.status for result in results] == ["Failed"] * len(places)
        for result in results:
            assert result.error is not None
            assert len(result.error.message) <= LONGEST_MESSAGE
            with pytest.raises(ExecutionFailed) as raised:
                result.raise_for_status()
            assert len(str(raised.value)) < 2 * LONGEST_LINE
            for event in await runner.events(result.id):
                assert len(str(event.detail)) < 2 * LONGEST_LINE
            for wait in await runner.waits(result.id):
                assert wait.last_error is not None
                assert len(wait.last_error) <= LONGEST_LINE
        error = results[-1].error
        assert error is not None
        assert (error.attempt, error.type, error.message) == (1, "OSError", "the task's own")
        assert "Not retried: the retry_on function of the task raised " in error.traceback


async def test_an_odd_error_is_told_by_what_there_is_of_it() -> None:
    @task
    async def pay(context: Context) -> None:
        raise PaymentFailed(7)

    @task
    async def fetch(context: Context) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(_lose_connection)

    async with AsyncRunner("sqlite://") as runner:
        paid = (await runner.execute(Workflow("paying", tasks=[pay]))).error
        fetched = (await runner.execute(Workflow("fetching", tasks=[fetch]))).error
    assert paid is not None
    assert (paid.type, paid.message, paid.code) == (f"{__name__}.PaymentFailed", "7", None)
    assert fetched is not None
    assert fetched.message.startswith("1 error: ConnectionError: the service is down (")


async def _lose_connection() -> None:
    raise ConnectionError("the service is down")


# ── Logging ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class Chat(logging.Handler):
    """Sends log lines to a service that is down."""

    def emit(self, record: logging.LogRecord | None) -> NoReturn:
        raise ConnectionError("the chat service is down")


@pytest.fixture(params=["handler", "root handler", "filter", "record factory"])
def broken_logging(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every log line raise."""
    chat = Chat()
    logger = logging.getLogger("cloacina")
    place = logging.getLogger() if request.param == "root handler" else logger
    level = logger.level
    logger.setLevel(logging.DEBUG)
    if request.param == "record factory":
        monkeypatch.setattr(logging, "_logRecordFactory", lambda *_, **__: chat.emit(None))
    else:
        place.addHandler(chat)
    if request.param == "filter":
        chat.addFilter(chat.emit)
    yield
    place.removeHandler(chat)
    logger.setLevel(level)


@pytest.mark.usefixtures("broken_logging")
async def test_a_log_line_that_cannot_be_written_decides_nothing() -> None:
    @task(retry=RetryPolicy(attempts=2, delay=0))
    async def fail(context: Context) -> None:
        raise ValueError("broken")

    ended = threading.Event()

    @task(timeout=0.01)
    def late(context: Context) -> None:
        ended.wait()

    async with AsyncRunner("sqlite://", max_concurrent_tasks=2) as runner:
        failed = await runner.execute(Workflow("failing", tasks=[fail]))
        timed_out = await runner.execute(Workflow("late", tasks=[late]))
        ended.set()
        await assert_goes_on(runner)
    assert (failed.status, failed.tasks["fail"].attempt) == ("Failed", 2)
    assert timed_out.status == "Failed"


@pytest.mark.parametrize("error", EXITS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("tasks", [[one, other, join], [one, other]], ids=["at a join", "at the end"])
async def test_a_merge_function_that_exits_fails_its_execution_and_nothing_else(
    tasks: list[Callable[..., Any]], error: BaseException
) -> None:
    def leave(values: list[Any]) -> Any:
        raise error

    async with AsyncRunner("sqlite://") as runner:
        result = await runner.execute(Workflow("merging", tasks=tasks, merge={"key": leave}))
        assert result.status == "Failed"
        assert result.error is not None
        assert result.error.type == type(error).__name__
        await assert_goes_on(runner)


@pytest.mark.parametrize("error", EXITS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("failing", ["raises", "times out"])
async def test_a_retry_predicate_that_exits_is_no_yes(failing: str, error: BaseException) -> None:
    def leave(_: Exception) -> bool:
        raise error

    clock = VirtualClock()
    may_end = threading.Event()

    @task(retry=RetryPolicy(attempts=2, delay=0, retry_on=leave), timeout=60)
    def fail(context: Context) -> None:
        if failing == "raises":
            raise ValueError
        clock.advance(60)
        may_end.wait(20)

    async with AsyncRunner("sqlite://", clock=clock) as runner:
        result = await runner.execute(Workflow("failing", tasks=[fail]))
        may_end.set()
        assert result.status == "Failed"
        assert result.tasks["fail"].attempt == 1
        await assert_goes_on(runner)


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), BaseExceptionGroup("several", [SystemExit(3)])])
@pytest.mark.parametrize("at", [1, 2], ids=["first call", "second call"])
@pytest.mark.parametrize("is_async", [False, True], ids=["def", "async def"])
async def test_a_condition_that_exits_fails_its_task_and_nothing_else(
    is_async: bool, at: int, error: BaseException
) -> None:
    calls: list[None] = []

    def leave() -> None:
        calls.append(None)
        if len(calls) == at:
            raise error

    async def leave_async() -> None:
        leave()

    @task
    async def waiting(context: Context, handle: TaskHandle) -> None:
        await handle.defer_until(leave_async if is_async else leave, poll_interval_ms=1)

    async with AsyncRunner("sqlite://", max_concurrent_tasks=1) as runner:
        result = await runner.execute(Workflow("waiting", tasks=[waiting]))
        assert result.status == "Failed"
        assert all(wait.phase == "ended" for wait in await runner.waits(result.id))
        await assert_goes_on(runner)


@pytest.mark.parametrize("tolerate_errors", [0, 5])
async def test_the_error_of_a_condition_may_name_a_file_that_no_text_can_hold(tolerate_errors: int) -> None:
    answers = iter([None, FileNotFoundError(UNDECODABLE), True])

    def condition() -> Any:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @task
    async def waiting(context: Context, handle: TaskHandle) -> None:
        try:
            await handle.defer_until(condition, poll_interval_ms=1, tolerate_errors=tolerate_errors)
        except ConditionError as error:
            context["text"] = str(error)

    async with AsyncRunner("sqlite://") as runner:
        result = await runner.execute(Workflow("waiting", tasks=[waiting]))
        assert result.status == "Completed"
        (wait,) = await runner.waits(result.id)
        assert wait.last_error == "FileNotFoundError: caf\\udce9.csv"


async def test_the_error_of_a_task_may_name_a_file_that_no_text_can_hold() -> None:
    @task
    async def reading(context: Context) -> None:
        raise FileNotFoundError(UNDECODABLE)

    async with AsyncRunner("sqlite://") as runner:
        error = (await runner.execute(Workflow("reading", tasks=[reading]))).error
        assert error is not None
        assert error.message == "caf\\udce9.csv"
        assert error.traceback is not None
        error.traceback.encode()  # A terminal can show it, and a file hold it.
