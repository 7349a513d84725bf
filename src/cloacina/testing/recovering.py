"""Ending the runner at every wait, as a crash does, and going on with another one: what would a task do twice?"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cloacina.runner import AsyncRunner
from cloacina.store.records import ExecutionResult, WaitPhase
from cloacina.testing.driving import awaited_signals, until
from cloacina.testing.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from cloacina.execution.waiting.wait import Wait
    from cloacina.testing.lines import RanAgain
    from cloacina.testing.virtual_clock import VirtualClock
    from cloacina.workflow import Workflow


@dataclass(frozen=True, slots=True)
class Recovery:
    """An end of the runner, and what was gone on with after it."""

    elapsed: timedelta
    """The virtual time at which it was."""
    waits: tuple[str, ...]
    """What was waited for, such as `task 'settle' for the signal 'paid'`."""


@dataclass(frozen=True, slots=True)
class RecoveredResult(ExecutionResult):
    """The result of an execution whose runner ended at every wait."""

    recoveries: tuple[Recovery, ...]
    """Each end of the runner, in order."""
    ran_again: tuple[RanAgain, ...]
    """The calls in the bodies of tasks that were made again after a crash, as they stand outside of checkpoints.

    Calls of the handle and of the context are left out, and those of functions of Python's own, such as `len`. What
    else must not happen twice belongs into a `checkpoint`.
    """

    def report(self) -> str:
        """Return in words how often the runner ended, and what ran again: for the message of an assertion."""
        lines = [f"the runner ended {len(self.recoveries)} times, and {len(self.ran_again)} calls were made again"]
        lines += [f"  ended at {each.elapsed}: {', '.join(each.waits)}" for each in self.recoveries]
        lines += [f"  {each}; put it into a checkpoint, if that must not happen twice" for each in self.ran_again]
        return "\n".join(lines)


class Driven:
    """An execution that is given signals and answers when it waits for them, and whose runner ends at every wait.

    Args:
        workflow: What to run.
        context: The initial context.
        slots: How many tasks run at once.
        clock: The time that passes.
        signals: Names and payloads; each is sent when somebody waits for it, in this order.
        answers: By the text of the question.
        recovers: Whether the runner ends at every wait.
    """

    def __init__(
        self,
        workflow: Workflow,
        context: Mapping[str, Any] | None,
        slots: int,
        clock: VirtualClock,
        signals: Iterable[tuple[str, Any]],
        answers: Mapping[str, Any],
        *,
        recovers: bool,
    ) -> None:
        self._workflow = workflow
        self._context = context
        self._slots = slots
        self._clock = clock
        self._signals = list(signals)
        self._answers = answers
        self._recovers = recovers
        self._execution_id: str | None = None
        self._ended_at: set[tuple[Any, ...]] = set()
        self._recoveries: list[Recovery] = []

    @property
    def is_needed(self) -> bool:
        """Whether anything is to be done beside running it."""
        return bool(self._signals or self._answers or self._recovers)

    async def run(self) -> ExecutionResult:
        """Return the result."""
        if not self._recovers:
            return await self._in_one_process("sqlite://")
        lines = Lines(self._workflow)
        with TemporaryDirectory(prefix="cloacina-") as folder:
            result = None
            while result is None:
                with lines.watched(), suppress(_Ended):
                    result = await self._in_one_process(Path(folder) / "test.db")
        same = {each.name: getattr(result, each.name) for each in fields(ExecutionResult)}
        return RecoveredResult(**same, recoveries=tuple(self._recoveries), ran_again=lines.ran_again())

    async def _in_one_process(self, database: str | Path) -> ExecutionResult:
        """Run it to its end.

        Raises:
            _Ended: The runner has ended at a wait.
        """
        # What waits is left as it is stored, and no body is at work when the block is left: as after a crash.
        options: dict[str, Any] = {"max_concurrent_tasks": self._slots, "clock": self._clock, "on_exit": "leave"}
        async with AsyncRunner(database, **options) as runner:
            if self._execution_id is None:
                self._execution_id = (await runner.submit(self._workflow, self._context)).id
            else:
                runner.register(self._workflow)
            await until(runner, partial(self._go_on, runner, self._execution_id), "the execution does not end")
            return await runner.wait(self._execution_id)

    async def _go_on(self, runner: AsyncRunner, execution_id: str) -> bool:
        """End the runner at a wait at which it has not ended yet; otherwise do what is waited for. True at the end."""
        found = True
        while found:
            if (await runner.execution(execution_id)).status.is_final:
                return True
            if self._recovers:
                self._end_at_new_waits(runner)
            found = await self._help(runner, execution_id)
            await self._clock.settled()
        return False

    def _end_at_new_waits(self, runner: AsyncRunner) -> None:
        waits = runner._engine._resources.waits.values()  # noqa: SLF001 - what the queries tell has no ordinals
        parked = {_place_of(wait): wait for wait in waits if wait.phase is WaitPhase.WAITING}
        if parked.keys() <= self._ended_at:
            return
        self._ended_at |= parked.keys()
        self._recoveries.append(Recovery(self._clock.elapsed, tuple(map(_words_of, parked.values()))))
        raise _Ended

    async def _help(self, runner: AsyncRunner, execution_id: str) -> bool:
        awaited = awaited_signals(runner, execution_id)
        for at, (name, payload) in enumerate(self._signals):
            if name in awaited:
                del self._signals[at]
                return await runner.signal(execution_id, name, payload)
        for question in await runner.questions(execution_id):
            if question.text in self._answers:
                return await runner.answer(question.id, self._answers[question.text])
        return False


class _Ended(Exception):
    """Raised to leave a runner, whose work another one is to go on with."""


def _place_of(wait: Wait) -> tuple[Any, ...]:
    """Return what tells a wait from others when the body is run again: it may get another row then."""
    attempt = wait._attempt.task  # noqa: SLF001 - as above
    return attempt.id, attempt.attempt, wait.awaited.kind, wait.awaited.name, wait._ordinal  # noqa: SLF001 - as above


def _words_of(wait: Wait) -> str:
    task_id, awaited = wait._attempt.task.definition.id, wait.awaited  # noqa: SLF001 - as above
    return (
        f"task {task_id!r} for a {awaited.kind} {awaited.name!r}"
        if awaited.name
        else f"task {task_id!r} for a {awaited.kind}"
    )
