"""Random mixes of all that tasks can do, in one process and in virtual time, with cancels, deploys and crashes between.

A crash: what the runner has handed to the writer is stored, and nothing after that; its lock is free, and it says no
last word. Its bodies have to be ended in this process, so they are cancelled; nothing of that reaches the file.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Literal
from unittest.mock import patch

import anyio.lowlevel
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.chaos import invariants
from tests.chaos.effects import Effects
from tests.chaos.processes import Place, Work
from tests.chaos.workflows import make_script, make_workflow, signals_for

from cloacina import AsyncRunner, ExecutionEnded
from cloacina.scheduling import execution_run
from cloacina.store.records import SubStatus
from cloacina.testing import VirtualClock, assert_no_slot_leak

_SECONDS = st.sampled_from([0.0, 0.002, 0.02, 0.1])
_TURNS = st.integers(0, 12)
_MOST_ROUNDS = 400


async def crash(runner: AsyncRunner) -> None:
    """Let a runner end as if its process had died now."""
    engine = runner._engine
    claiming = engine._claiming
    assert claiming is not None
    assert claiming._lock is not None
    engine._journal.forked()
    claiming._lock.close()
    with patch.multiple(claiming, _last_words=lambda connection, remains: (), _tell=lambda connection: None):
        engine.on_exit = "leave"
        engine._leaving.hasten()
        await engine.close(cancel=False)


class Executions(RuleBasedStateMachine):
    """A file, one runner at a time, and those who send, answer and cancel."""

    backend: Literal["asyncio", "trio"] = "asyncio"

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._stack.enter_context(patch.object(execution_run, "MOST_RECOVERIES", 1_000))
        self._portal = self._stack.enter_context(start_blocking_portal(self.backend))
        folder = Path(self._stack.enter_context(TemporaryDirectory()))
        self._place = Place(folder, folder / "runs.db", 1)
        self._clock = VirtualClock(auto=False)
        self._works: list[Work] = []
        self._looks: list[invariants.Stored] = []
        self._ids: list[str] = []
        self._processes = 0
        self._answers = 0

    @initialize(slots=st.integers(1, 3))
    def open_file(self, slots: int) -> None:
        self._place = Place(self._place.folder, self._place.database, slots)
        self._portal.call(self._open)

    async def _open(self) -> None:
        self._processes += 1
        self._effects = Effects(self._place.effects, self._processes)
        self._stack.callback(self._effects.close)
        self._workflow = make_workflow(self._effects)
        options: dict[str, Any] = {"max_concurrent_tasks": self._place.slots, "clock": self._clock}
        self._runner = await AsyncRunner(self._place.database, **options).__aenter__()
        self._runner.register(self._workflow)

    @rule(random=st.randoms(use_true_random=False))
    def submit(self, random: Random) -> None:
        script = make_script(random)
        work = Work(len(self._works), script, tuple(signals_for(random, script)), is_cancelled=False)
        self._works.append(work)
        self._portal.call(self._submit, work)

    async def _submit(self, work: Work) -> None:
        execution = await self._runner.submit(self._workflow, work.context, key=work.target[1])
        self._ids.append(execution.id)

    @precondition(lambda self: self._works)
    @rule(random=st.randoms(use_true_random=False), count=st.integers(1, 4))
    def signal(self, random: Random, count: int) -> None:
        for _ in range(count):
            work = random.choice(self._works)
            if work.signals:
                self._portal.call(self._signal, work, random.randrange(len(work.signals)))

    async def _signal(self, work: Work, at: int) -> None:
        name, payload = work.signals[at], f"{work.number}-{work.signals[at]}-{at}"
        try:
            await self._runner.signal(work.target, name, payload, key=str(at))
        except ExecutionEnded:
            return
        self._effects.add("sent", execution=work.number, name=name, payload=payload)

    @rule()
    def answer(self) -> None:
        self._portal.call(self._answer)

    async def _answer(self) -> None:
        for question in await self._runner.questions():
            self._answers += 1
            value: Any = {"answer": str(self._answers)}
            if question.schema.get("type") == "boolean":
                value = True
            elif "process ended" in question.text:
                value = f"answer {self._answers}"
            await self._runner.answer(question.id, value)

    @precondition(lambda self: self._works)
    @rule(random=st.randoms(use_true_random=False))
    def cancel(self, random: Random) -> None:
        work = random.choice(self._works)
        self._works[work.number] = Work(work.number, work.script, work.signals, is_cancelled=True)
        self._portal.call(self._runner.cancel, work.target)

    @rule(seconds=_SECONDS)
    def let_time_pass(self, seconds: float) -> None:
        self._portal.call(self._advance, seconds)

    async def _advance(self, seconds: float) -> None:
        await self._clock.settled()
        self._clock.advance(seconds)

    @rule(turns=_TURNS, seconds=_SECONDS, is_crash=st.booleans())
    def end_and_go_on(self, turns: int, seconds: float, *, is_crash: bool) -> None:
        self._portal.call(self._end, turns, seconds, is_crash)
        self._looks.append(invariants.look(self._place))
        self._portal.call(self._open)

    async def _end(self, turns: int, seconds: float, is_crash: bool) -> None:
        self._clock.advance(seconds)
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        if is_crash:
            await crash(self._runner)
        else:
            self._runner._engine.on_exit = "leave"
            self._runner._engine._leaving.hasten()
            await self._runner.__aexit__(None, None, None)

    @precondition(lambda self: self._processes)
    @invariant()
    def slots_and_rows_agree(self) -> None:
        self._portal.call(self._check)

    async def _check(self) -> None:
        await self._clock.settled()
        assert_no_slot_leak(self._runner)
        resources = self._runner._engine._resources
        assert resources.slots.available == self._place.slots, "nothing runs when all has settled"
        tasks = [task for execution_id in self._ids for task in await self._runner.tasks(execution_id)]
        assert [task.task_id for task in tasks if task.sub_status is SubStatus.ACTIVE] == []
        waits = await self._runner.waits(phase="waiting")
        assert {wait.id for wait in waits} == set(resources.waits)
        deferred = {task.id for task in tasks if task.sub_status is SubStatus.DEFERRED}
        assert {wait.task_execution_id for wait in waits} == deferred

    def teardown(self) -> None:
        try:
            if self._processes:
                self._portal.call(self._finish)
                found = invariants.violations(self._place, self._works, self._looks)
                assert not found, "\n".join(found)
        finally:
            self._stack.close()

    async def _finish(self) -> None:
        for work in self._works:
            for at in range(len(work.signals)):
                await self._signal(work, at)
        for _ in range(_MOST_ROUNDS):
            await self._clock.settled()
            await self._answer()
            if all([(await self._runner.execution(execution_id)).status.is_final for execution_id in self._ids]):
                break
            self._clock.advance(0.05)
        else:
            waits = await self._runner.waits(phase="waiting")
            pytest.fail(f"what has not ended waits for {waits}")
        await self._runner.__aexit__(None, None, None)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_random_executions_keep_every_promise(backend: Literal["asyncio", "trio"]) -> None:
    machine = type("Executions", (Executions,), {"backend": backend})
    run_state_machine_as_test(machine, settings=settings(max_examples=12, stateful_step_count=16))
