"""What the processes of a round do: runners, and clients that signal, answer and cancel."""

from __future__ import annotations

import faulthandler
import logging
import os
import random
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast
from uuid import uuid4

import anyio
from tests.chaos.effects import Effects
from tests.chaos.points import die_at
from tests.chaos.workflows import Script, make_workflow

from cloacina import (
    AsyncRunner,
    Client,
    ExecutionEnded,
    QuestionClosed,
    Runner,
    RunnerClosed,
    UnknownExecution,
    UnknownQuestion,
)
from cloacina.errors import StoreError
from cloacina.execution.slots import SlotPool
from cloacina.scheduling import claiming, execution_run
from cloacina.store.writer import Writer

Face = Literal["asyncio", "trio", "blocking"]
LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Place:
    """Where a round takes place."""

    folder: Path
    """For the effects and what processes log."""
    database: Path
    slots: int

    @property
    def effects(self) -> Path:
        """What was done."""
        return self.folder / "effects"

    @property
    def stop(self) -> Path:
        """Exists when runners are to be left."""
        return self.folder / "stop"


@dataclass(frozen=True, slots=True)
class Work:
    """An execution: its number, what its tasks do, and what has to come from outside."""

    number: int
    script: Script
    signals: tuple[str, ...]
    is_cancelled: bool

    @property
    def target(self) -> tuple[str, str]:
        """What it is called by."""
        return "mixed", f"order-{self.number}"

    @property
    def context(self) -> dict[str, Any]:
        """What it begins with."""
        return {"number": self.number, "script": self.script}


def start(function: Callable[[], None], log: Path) -> int:
    """Run a function in a process of its own, forked before anything was opened; return its number."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        with log.open("ab", buffering=0) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            logging.basicConfig(level=logging.WARNING, stream=sys.stderr, force=True)
            faulthandler.enable()
            function()
        code = 0
    except BaseException:  # noqa: BLE001 - told by the exit code and in the log
        traceback.print_exc()
    finally:
        os._exit(code)


# ── Runners ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def run(place: Place, face: Face, works: list[Work], death: tuple[str, int] | None, patience: float) -> None:
    """Run what there is until the file `stop` exists, and leave; check first that no slot was lost."""
    claiming.LOOK_AGAIN_SECONDS = 0.3
    execution_run.MOST_RECOVERIES = 1_000
    cast("dict[str, Any]", Writer.__init__.__kwdefaults__)["retry_for"] = patience
    if death is not None:
        die_at(*death)
    effects = Effects(place.effects)
    mixed = make_workflow(effects)
    options: dict[str, Any] = {"max_concurrent_tasks": place.slots, "on_exit": "leave", "grace": 0.1}
    if face == "blocking":
        with Runner(place.database, **options) as runner:
            slots = runner._runner._engine._resources.slots
            with _dying():
                for work in works:
                    runner.submit(mixed, work.context, key=work.target[1])
            threading.Thread(target=_stop_when_told, args=(place, runner.stop), daemon=True).start()
            runner.serve(mixed)
        _check(slots)
        return

    async def main() -> None:
        async with AsyncRunner(place.database, **options) as runner:
            slots = runner._engine._resources.slots
            with _dying():
                for work in works:
                    await runner.submit(mixed, work.context, key=work.target[1])
            threading.Thread(target=_stop_when_told, args=(place, runner.stop), daemon=True).start()
            await runner.serve(mixed)
        _check(slots)

    anyio.run(main, backend=face)


def _stop_when_told(place: Place, stop: Callable[[], None]) -> None:
    while not place.stop.exists():
        time.sleep(LOOK_SECONDS)
    with suppress(RunnerClosed):  # It was told to by a signal, in the meantime.
        stop()


@contextmanager
def _dying() -> Generator[None]:
    """Let the process end when the store fails: a runner that is left by an exception cancels what it has."""
    try:
        yield
    except StoreError:
        traceback.print_exc()
        os._exit(71)


def _check(slots: SlotPool) -> None:
    if slots.available != slots.capacity:
        raise AssertionError(f"{slots.capacity - slots.available} slots were lost")


# ── Clients ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def call(place: Place, works: list[Work], seed: str) -> None:
    """Send what the executions wait for, in any order, some of it twice; answer and cancel until the file `stop` is."""
    choose = random.Random(seed)
    effects = Effects(place.effects)
    messages = [(work, at, name) for work in works for at, name in enumerate(work.signals)]
    messages += choose.sample(messages, len(messages) // 4)
    choose.shuffle(messages)
    cancelled = [work for work in works if work.is_cancelled]
    with Client(place.database) as client:
        while not place.stop.exists():
            if messages:
                work, at, name = messages.pop()
                if not _send(client, effects, work, at, name):
                    messages.insert(0, (work, at, name))
            if cancelled and choose.random() < 0.05:
                _tolerant(client.cancel, cancelled[-1].target)
                cancelled.pop()
            if choose.random() < 0.2:
                answer_all(client, effects)
            time.sleep(choose.random() * LOOK_SECONDS)


def _send(client: Client, effects: Effects, work: Work, at: int, name: str) -> bool:
    payload = f"{work.number}-{name}-{at}"
    sent = _tolerant(client.signal, work.target, name, payload, key=str(at))
    if sent is not None:
        effects.add("sent", execution=work.number, name=name, payload=payload)
    # To be sent again when there is no such execution yet.
    return sent is not None or _tolerant(client.execution, work.target) is not None


def send_all(client: Client, effects: Effects, works: list[Work]) -> None:
    """Send everything that any execution waits for; what was sent before changes nothing."""
    for work in works:
        for at, name in enumerate(work.signals):
            _send(client, effects, work, at, name)


def answer_all(client: Client, effects: Effects) -> None:
    """Answer every open question."""
    for question in client.questions():
        value: Any = {"answer": uuid4().hex}
        if question.schema.get("type") == "boolean":
            value = True
        elif "process ended" in question.text:
            value = uuid4().hex
        if _tolerant(client.answer, question.id, value) is not None:
            effects.add("replied", question=question.id, value=value)


def _tolerant(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function; None when it is too late, or too early."""
    try:
        return function(*args, **kwargs)
    except (ExecutionEnded, QuestionClosed, UnknownExecution, UnknownQuestion):
        return None
