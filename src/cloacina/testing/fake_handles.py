"""Stand-ins for the handles that tasks get, for tests that call a task's function directly."""

from __future__ import annotations

import inspect
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
from anyio.from_thread import start_blocking_portal

from cloacina.execution.event_loop import EventLoop
from cloacina.execution.waiting.answers import Pending, answer_of, call_condition
from cloacina.execution.waiting.combined import Several
from cloacina.handle import RAISE
from cloacina.membrane import name_of
from cloacina.testing.fake_tokens import FakeBlockingSlotToken, FakeSlotToken
from cloacina.testing.polling import each_of, one
from cloacina.testing.recording_handle import RecordingHandle
from cloacina.testing.stand_in_world import answer_options, value_of
from cloacina.waits import check_duration, check_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta
    from typing import Unpack

    from anyio.from_thread import BlockingPortal

    from cloacina.execution.waiting.answers import Answer
    from cloacina.handle import AnswerOptions, Condition, WaitOptions
    from cloacina.polling import PollPolicy
    from cloacina.testing.polling import Calls
    from cloacina.waits import Awaited


class FakeTaskHandle(RecordingHandle):
    """A `TaskHandle` without a runner, to call an `async def` task in a unit test.

    A wait calls its condition until it holds; between two calls no real time passes, but the interval on `clock`. So
    timeouts and deadlines come as they do in a runner. Arguments are refused as the engine refuses them.

    Args:
        attempt: The number of the attempt that the task is told.
        task_execution_id: The id that the task is told.
        clock: The time that passes in waits. Default: a new `VirtualClock`.
        max_polls: How often a wait without a time limit is polled before it fails with an `AssertionError`.
        last_heartbeat: What heartbeats of an attempt before have told last.

    Attributes:
        clock: The time that passes in waits.
        waits: The waits so far, in order.
        heartbeats: What the heartbeats so far told, in order.
        yields: How often `yield_slot()` was called.

    Example:
        ```python
        import anyio

        from cloacina import Context, TaskHandle, task
        from cloacina.testing import FakeTaskHandle

        answers = iter([False, False, True])


        @task
        async def wait_for_job(context: Context, handle: TaskHandle) -> None:
            await handle.defer_until(lambda: next(answers), poll_interval_ms=30_000)
            context["done"] = True


        async def test_job_is_polled_until_it_is_done() -> None:
            context, handle = Context(), FakeTaskHandle()
            await wait_for_job(context, handle)
            assert context["done"]
            assert [wait.polls for wait in handle.waits] == [3]
            print(handle.clock.elapsed)
            #> 0:01:00


        anyio.run(test_job_is_polled_until_it_is_done)
        ```
    """

    async def defer_until(
        self,
        condition: Condition,
        *,
        name: str | None = None,
        poll_interval_ms: int | None = None,
        poll: PollPolicy | None = None,
        timeout: float | timedelta | None = None,
        deadline: datetime | None = None,
        default: Any = RAISE,
        tolerate_errors: int = 0,
    ) -> Any:
        """Call the condition until it holds: see `TaskHandle.defer_until`.

        Raises:
            AssertionError: It has not held in `max_polls` polls, and there is no time limit.
        """
        options: WaitOptions = {
            "name": name,
            "poll_interval_ms": poll_interval_ms,
            "poll": poll,
            "timeout": timeout,
            "deadline": deadline,
            "default": default,
            "tolerate_errors": tolerate_errors,
        }
        return await self._run((condition,), one(condition), name_of(condition), options)

    async def wait_any(self, awaited: Sequence[Awaited], **options: Unpack[WaitOptions]) -> tuple[int, Any]:
        """Wait until the first of several happens: see `TaskHandle.wait_any`."""
        several = Several("wait_any", self.world.conditions(awaited), needs_all=False)
        found: tuple[int, Any] = await self._run(several.conditions, each_of(several), repr(several), options)
        return found

    async def wait_all(self, awaited: Sequence[Awaited], **options: Unpack[WaitOptions]) -> list[Any]:
        """Wait until each of several has happened: see `TaskHandle.wait_all`."""
        several = Several("wait_all", self.world.conditions(awaited), needs_all=True)
        found: list[Any] = await self._run(several.conditions, each_of(several), repr(several), options)
        return found

    async def defer_for(self, duration: float | timedelta, *, name: str | None = None) -> None:
        """Let the time pass: see `TaskHandle.defer_for`."""
        await self._until(self.clock.time() + check_duration(duration, "the time to wait"), name)

    async def defer_to(self, moment: datetime, *, name: str | None = None) -> None:
        """Let the time pass: see `TaskHandle.defer_to`."""
        await self._until(check_moment(moment, "the moment to wait for").timestamp(), name)

    async def _until(self, due_at: float, name: str | None) -> None:
        interval = self.world.milliseconds_until(due_at)
        await self.defer_until(self.world.moment(due_at), name=name, poll_interval_ms=interval)

    async def wait_for(
        self,
        signal: str,
        *,
        model: Any = None,
        timeout: float | timedelta | None = None,
        deadline: datetime | None = None,
        default: Any = RAISE,
    ) -> Any:
        """Take a signal that the test has sent with `send_signal`: see `TaskHandle.wait_for`."""
        found = self.world.signal(signal, model)
        return await self.defer_until(found, timeout=timeout, deadline=deadline, default=default)

    async def request_input(self, question: str, *, model: Any = None, **options: Unpack[AnswerOptions]) -> Any:
        """Take an answer that the test has given with `answer`: see `TaskHandle.request_input`."""
        self.questions.append(question)
        found = self.world.question(question, model, options.get("to", ()))
        return await self.defer_until(found, **answer_options(options))

    async def request_approval(self, question: str, **options: Unpack[AnswerOptions]) -> bool:
        """Take an answer that the test has given with `answer`: see `TaskHandle.request_approval`."""
        approved: bool = await self.request_input(question, model=bool, **options)
        return approved

    async def checkpoint(
        self,
        name: str,
        function: Callable[[], Any],
        *,
        key: str | None = None,
        model: Any = None,
        at_most_once: bool = False,  # noqa: ARG002 - nothing dies here
    ) -> Any:
        """Do a step, once a handle: see `TaskHandle.checkpoint`."""
        step = self.enter(name, key)
        try:
            text = self.world.result(step)
            if text is None:
                value = function()
                text = self.world.keep(step, model, await value if inspect.isawaitable(value) else value)
            return step.result(model, text)
        finally:
            step.leave()

    async def yield_slot(self) -> None:
        """Count the call, and let the other tasks of the event loop go first."""
        self.count_yield()
        await anyio.lowlevel.checkpoint()

    def into_slot_token(self) -> FakeSlotToken:
        """Consume the handle: see `TaskHandle.into_slot_token`."""
        self.consume()
        return FakeSlotToken()

    async def _run(
        self, conditions: Sequence[Condition], poll: Callable[[], Calls], name: str, options: WaitOptions
    ) -> Any:
        calls = self.record_wait(conditions, poll, name, **options)
        try:
            condition = next(calls)
            while True:
                answer = _called(condition)
                if type(answer[0]) is Pending:
                    answer = await _awaited(answer[0])
                await anyio.lowlevel.checkpoint()  # whoever is to make the condition true gets a turn
                condition = calls.send(answer)
        except StopIteration as end:
            return value_of(end.value)
        finally:
            calls.close()


class FakeBlockingTaskHandle(RecordingHandle):
    """A `BlockingTaskHandle` without a runner, to call a `def` task in a unit test.

    Arguments and attributes are those of `FakeTaskHandle`, and so is what happens in a wait. An awaitable condition is
    awaited on an event loop of its own, on asyncio.

    Example:
        ```python
        from datetime import timedelta

        import pytest

        from cloacina import BlockingTaskHandle, Context, WaitTimeout, task
        from cloacina.testing import FakeBlockingTaskHandle


        @task
        def wait_for_approval(context: Context, handle: BlockingTaskHandle) -> None:
            handle.defer_until(lambda: False, poll_interval_ms=30_000, timeout=timedelta(days=2))


        def test_approval_is_given_up_after_two_days() -> None:
            handle = FakeBlockingTaskHandle()
            with pytest.raises(WaitTimeout):
                wait_for_approval(Context(), handle)
            assert handle.clock.elapsed == timedelta(days=2)


        test_approval_is_given_up_after_two_days()
        ```
    """

    def defer_until(
        self,
        condition: Condition,
        *,
        name: str | None = None,
        poll_interval_ms: int | None = None,
        poll: PollPolicy | None = None,
        timeout: float | timedelta | None = None,
        deadline: datetime | None = None,
        default: Any = RAISE,
        tolerate_errors: int = 0,
    ) -> Any:
        """Call the condition until it holds: see `TaskHandle.defer_until`.

        Raises:
            AssertionError: It has not held in `max_polls` polls, and there is no time limit.
        """
        options: WaitOptions = {
            "name": name,
            "poll_interval_ms": poll_interval_ms,
            "poll": poll,
            "timeout": timeout,
            "deadline": deadline,
            "default": default,
            "tolerate_errors": tolerate_errors,
        }
        return self._run((condition,), one(condition), name_of(condition), options)

    def wait_any(self, awaited: Sequence[Awaited], **options: Unpack[WaitOptions]) -> tuple[int, Any]:
        """Wait until the first of several happens: see `TaskHandle.wait_any`."""
        several = Several("wait_any", self.world.conditions(awaited), needs_all=False)
        found: tuple[int, Any] = self._run(several.conditions, each_of(several), repr(several), options)
        return found

    def wait_all(self, awaited: Sequence[Awaited], **options: Unpack[WaitOptions]) -> list[Any]:
        """Wait until each of several has happened: see `TaskHandle.wait_all`."""
        several = Several("wait_all", self.world.conditions(awaited), needs_all=True)
        found: list[Any] = self._run(several.conditions, each_of(several), repr(several), options)
        return found

    def defer_for(self, duration: float | timedelta, *, name: str | None = None) -> None:
        """Let the time pass: see `TaskHandle.defer_for`."""
        self._until(self.clock.time() + check_duration(duration, "the time to wait"), name)

    def defer_to(self, moment: datetime, *, name: str | None = None) -> None:
        """Let the time pass: see `TaskHandle.defer_to`."""
        self._until(check_moment(moment, "the moment to wait for").timestamp(), name)

    def _until(self, due_at: float, name: str | None) -> None:
        interval = self.world.milliseconds_until(due_at)
        self.defer_until(self.world.moment(due_at), name=name, poll_interval_ms=interval)

    def wait_for(
        self,
        signal: str,
        *,
        model: Any = None,
        timeout: float | timedelta | None = None,
        deadline: datetime | None = None,
        default: Any = RAISE,
    ) -> Any:
        """Take a signal that the test has sent with `send_signal`: see `TaskHandle.wait_for`."""
        found = self.world.signal(signal, model)
        return self.defer_until(found, timeout=timeout, deadline=deadline, default=default)

    def request_input(self, question: str, *, model: Any = None, **options: Unpack[AnswerOptions]) -> Any:
        """Take an answer that the test has given with `answer`: see `TaskHandle.request_input`."""
        self.questions.append(question)
        found = self.world.question(question, model, options.get("to", ()))
        return self.defer_until(found, **answer_options(options))

    def request_approval(self, question: str, **options: Unpack[AnswerOptions]) -> bool:
        """Take an answer that the test has given with `answer`: see `TaskHandle.request_approval`."""
        approved: bool = self.request_input(question, model=bool, **options)
        return approved

    def checkpoint(
        self,
        name: str,
        function: Callable[[], Any],
        *,
        key: str | None = None,
        model: Any = None,
        at_most_once: bool = False,  # noqa: ARG002 - nothing dies here
    ) -> Any:
        """Do a step, once a handle: see `TaskHandle.checkpoint`."""
        step = self.enter(name, key)
        try:
            text = self.world.result(step)
            if text is None:
                text = self.world.keep(step, model, function())
            return step.result(model, text)
        finally:
            step.leave()

    def yield_slot(self) -> None:
        """Count the call."""
        self.count_yield()

    def into_slot_token(self) -> FakeBlockingSlotToken:
        """Consume the handle: see `TaskHandle.into_slot_token`."""
        self.consume()
        return FakeBlockingSlotToken()

    def _run(self, conditions: Sequence[Condition], poll: Callable[[], Calls], name: str, options: WaitOptions) -> Any:
        calls = self.record_wait(conditions, poll, name, **options)
        portal: BlockingPortal | None = None
        with ExitStack() as stack:
            stack.callback(calls.close)
            try:
                condition = next(calls)
                while True:
                    answer = _called(condition)
                    if type(answer[0]) is Pending:
                        portal = portal or stack.enter_context(start_blocking_portal())
                        answer = portal.call(_awaited, answer[0])
                    condition = calls.send(answer)
            except StopIteration as end:
                return value_of(end.value)


def _called(condition: Condition) -> Answer:
    value, error = call_condition(condition)
    if error is not None and not isinstance(error, Exception):
        raise error  # Ctrl+C, and the like: here it is the test's
    return value, error


async def _awaited(pending: Pending) -> Answer:
    return await answer_of(pending, EventLoop.current())
