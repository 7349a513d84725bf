"""The watchdog: it notices that something blocks the event loop, and says who and for how long.

While an `async def` body blocks the loop, no other body, poll or timer goes on, and nothing on the loop can tell. A
thread can: it posts a question to the loop a few times a second, and when the answer is late, it looks at what the
loop's thread is doing. It does so only while bodies are at work, and sleeps otherwise, so it costs nothing where it
matters: a body's start looks at one attribute.

A machine that slept, a process that was stopped and a debugger block nobody: the watchdog was late by as much itself,
while the loop's thread took no processor time; or it sees the debugger.
"""

from __future__ import annotations

import sys
import sysconfig
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from cloacina.execution.attempt import Attempt
from cloacina.execution.handle import EngineTaskHandle
from cloacina.membrane import Log, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from cloacina.execution.bodies import Bodies
    from cloacina.execution.event_loop import EventLoop
    from cloacina.execution.task_execution import TaskExecution

logger = Log("cloacina.watchdog")

BEARABLE_SECONDS: Final = 0.5
"""How long the event loop may take for a turn."""

_STILL_SECONDS: Final = 10.0
_LOOPS: Final = frozenset({"asyncio.events", "asyncio.base_events", "trio._core._run"})
_SELECTORS: Final = ("selectors", "trio._core._io")
_DEBUGGERS: Final = frozenset({"bdb", "pdb", "debugpy", "pydevd", "_pydevd_bundle"})
_ENGINE: Final = str(Path(__file__).resolve().parent.parent)
_PYTHON: Final = ("<frozen", sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
_INSTALLED: Final = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))


class Watchdog:
    """Watches the event loop of a runner while bodies are at work.

    Args:
        loop: The event loop.
        bodies: Counts the bodies at work.
    """

    def __init__(self, loop: EventLoop, bodies: Bodies) -> None:
        self._loop = loop
        self._bodies = bodies
        self._bearable = BEARABLE_SECONDS
        self._processor_time = _processor_clock(loop.thread)
        self._work = threading.Event()
        self._end = threading.Event()
        # When the next look is due, and the processor time of the loop's thread before that.
        self._due = self._now()
        bodies.on_work = self._start

    def close(self) -> None:
        """Let the thread end."""
        self._end.set()
        self._bodies.on_work = None
        self._work.set()

    def _start(self) -> None:
        self._due = self._now()
        try:
            threading.Thread(target=self._watch, name="cloacina-watchdog", daemon=True).start()
        except RuntimeError as error:
            logger.warning("nobody watches whether the event loop is blocked: %s", describe(error))

    def _watch(self) -> None:
        while not self._end.is_set():
            if self._bodies.at_work:
                self.look()
                moment, busy = self._now()
                self._end.wait(self._bearable / 2)
                self._due = moment + self._bearable / 2, busy
            else:
                self._sleep()

    def _sleep(self) -> None:
        """Sleep until a body begins."""
        self._work.clear()
        self._bodies.on_work = self._wake
        if not self._bodies.at_work and not self._end.is_set():
            self._work.wait()
        self._bodies.on_work = None

    def _wake(self) -> None:
        self._due = self._now()
        self._work.set()

    def look(self) -> None:
        """Ask the loop for an answer; when it takes too long, log who blocks it."""
        since, busy = self._due
        asked = time.monotonic()
        answered = threading.Event()
        is_kept_from_looking = asked > since + self._bearable
        if is_kept_from_looking:
            late = asked - since
        elif not self._loop.post(answered.set):
            self._end.set()
            return
        elif answered.wait(self._bearable):
            return
        else:
            late = time.monotonic() - asked - self._bearable
        if late > self._bearable / 2 and self._processor_time() - busy < late / 4:
            return  # Not the loop, which did nothing: the whole process stood still.
        found = _who(sys._current_frames().get(self._loop.thread))  # noqa: SLF001 - there is no other way to see it
        if found is None or (is_kept_from_looking and not self._loop.post(answered.set)):
            return
        if answered.wait(_STILL_SECONDS):
            found.log(f"blocked the event loop for {time.monotonic() - since:.1f} s")
            return
        found.log(f"has been blocking the event loop for {time.monotonic() - since:.0f} s")
        while not (answered.wait(_STILL_SECONDS) or self._end.is_set()):
            continue

    def _now(self) -> tuple[float, float]:
        return time.monotonic(), self._processor_time()


class _Blocker(NamedTuple):
    """Who blocks the loop, in words, and the task if it is the body of one."""

    who: str
    place: str
    task: TaskExecution | None

    def log(self, what: str) -> None:
        message = "%s %s, and with it every other task, wait and timer: at %s. Put what blocks into a `def` task"
        extra = (
            {} if self.task is None else {"execution_id": self.task.execution_id, "task_id": self.task.definition.id}
        )
        logger.warning(message, self.who, what, self.place, extra=extra)


def _who(frame: FrameType | None) -> _Blocker | None:
    """Return who runs in a thread, as far as the frame in which the loop runs it; None for the loop and debuggers."""
    frames = list(_until_loop(frame))
    if not frames or _module(frames[-1]).startswith(_SELECTORS):
        return None
    if any(_module(each).partition(".")[0] in _DEBUGGERS for each in frames):
        return None
    task = next(filter(None, map(_task, frames)), None)
    users = _outside(frames, (_ENGINE, *_PYTHON, *_INSTALLED)) or _outside(frames, (_ENGINE, *_PYTHON))
    if task is not None:
        who = f"task {task.definition.id!r} of execution {task.execution_id}"
    else:
        who = "code outside of the engine" if users else "the engine itself"
    at = (users or frames)[0]
    return _Blocker(who, f"{at.f_code.co_filename}, line {at.f_lineno}, in {at.f_code.co_qualname}", task)


def _outside(frames: Sequence[FrameType], folders: tuple[str, ...]) -> list[FrameType]:
    return [each for each in frames if not each.f_code.co_filename.startswith(folders)]


def _until_loop(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None and _module(frame) not in _LOOPS:
        yield frame
        frame = frame.f_back


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _task(frame: FrameType) -> TaskExecution | None:
    if not frame.f_code.co_filename.startswith(_ENGINE):
        return None  # What is in another's frames is not touched.
    owner = frame.f_locals.get("self")
    if isinstance(owner, EngineTaskHandle):
        owner = owner.engine_attempt
    return owner.task if isinstance(owner, Attempt) else None


def _processor_clock(thread: int) -> Callable[[], float]:
    """Return a function that tells the processor time of a thread, or of all where the system tells no more."""
    if sys.platform == "linux":
        clock = time.pthread_getcpuclockid(thread)

        def processor_time() -> float:
            try:
                return time.clock_gettime(clock)
            except OSError:  # The thread has ended, and its loop with it; the next question to the loop tells.
                return 0.0

        return processor_time
    return time.process_time
