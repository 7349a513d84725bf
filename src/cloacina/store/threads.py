"""Threads that serve an event loop, and that no process waits for when it ends.

The engine's own, not the backend's: one hand-over to the thread and one batched hand-back reach three times the rate of
`anyio.to_thread`, and a thread that is parked in a wait must not use up anybody else's limit, nor a limit that others
have used up stop the engine.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import anyio

from cloacina.errors import ThreadUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_IDLE_SECONDS = 1.0

_Job: TypeAlias = "tuple[Callable[[], None], Callable[[], None]]"
_Inbox: TypeAlias = "queue.SimpleQueue[_Job | None]"


def start_daemon(target: Callable[[], object], name: str) -> threading.Thread:
    """Start a thread.

    Raises:
        ThreadUnavailable: The system lets no further one start.
    """
    thread = threading.Thread(target=target, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        message = (
            f"a runner needs a thread ({name}), and none could be started beside the {threading.active_count()} that "
            f"run: {error}; raise the limit of the process, or let it run fewer"
        )
        raise ThreadUnavailable(message) from error
    return thread


def fulfil(outcome: Future[T], function: Callable[[], T]) -> None:
    """Call a function, and put what it returns or raises into a future."""
    try:
        outcome.set_result(function())
    except BaseException as error:  # noqa: BLE001 - raised where the outcome is asked for
        outcome.set_exception(error)
    finally:
        del outcome, function  # The error refers to this frame, and what the frame holds is to be freed with it.


class WorkerThreads:
    """As many threads as jobs run at once; idle ones serve the next.

    The one that became idle last is the first to serve again, and one that is idle for a second ends: a burst leaves no
    threads behind.

    Args:
        post: Hands a function over to the event loop's thread.
        name: The name of each thread.
        most_idle: How many idle threads are kept at all.
    """

    def __init__(self, post: Callable[[Callable[[], None]], object], name: str, most_idle: int) -> None:
        self._post = post
        self._name = name
        self._most_idle = most_idle
        # Each thread has its own inbox, and puts it here when it is idle.
        self._idle: deque[_Inbox] = deque()
        self._finished: deque[Callable[[], None]] = deque()
        self._hand_back_is_due = False
        self._busy = 0
        self._is_closed = False

    @property
    def busy(self) -> int:
        """How many jobs have not been handed back yet."""
        return self._busy

    def run(self, job: Callable[[], None], on_end: Callable[[], None]) -> None:
        """Run a job in a thread; on the loop's thread only.

        Args:
            job: Called in the thread; it must not raise.
            on_end: Called on the loop's thread when the job has returned.

        Raises:
            ThreadUnavailable: No thread is idle, and the system lets no further one start. The job was not called.
        """
        inbox = self._next_idle() or self._new()
        self._busy += 1
        inbox.put((job, on_end))

    async def call(self, function: Callable[[], T]) -> T:
        """Call a function in a thread; return what it returns. Cancelled, it leaves the thread to itself.

        Raises:
            ThreadUnavailable: As for `run`.
        """
        outcome: Future[T] = Future()
        has_ended = anyio.Event()
        self.run(partial(fulfil, outcome, function), has_ended.set)
        await has_ended.wait()
        return outcome.result()

    def close(self) -> None:
        """End the idle threads; one whose job goes on ends with it."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().put(None)

    def _serve(self, inbox: _Inbox) -> None:
        is_kept = True
        while is_kept and (next_job := self._next_job(inbox)) is not None:
            job, on_end = next_job
            job()
            # Idle before that is known: what is started then finds this thread.
            self._idle.append(inbox)
            if self._is_closed or len(self._idle) > self._most_idle:
                is_kept = not self._withdraw(inbox)
            self._finished.append(on_end)
            # Dropped before the thread parks: what a job left behind must be freed with it.
            del next_job, job, on_end
            if not self._hand_back_is_due:
                self._hand_back_is_due = True
                self._post(self._hand_back)

    def _next_job(self, inbox: _Inbox) -> _Job | None:
        try:
            return inbox.get(timeout=_IDLE_SECONDS)
        except queue.Empty:
            return None if self._withdraw(inbox) else inbox.get()

    def _new(self) -> _Inbox:
        inbox: _Inbox = queue.SimpleQueue()
        start_daemon(partial(self._serve, inbox), self._name)
        return inbox

    def _next_idle(self) -> _Inbox | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _withdraw(self, inbox: _Inbox) -> bool:
        """Let an inbox get no job any more; return False when there is one on its way to it."""
        try:
            self._idle.remove(inbox)
        except ValueError:
            return False
        return True

    def _hand_back(self) -> None:
        self._hand_back_is_due = False
        while self._finished:
            on_end = self._finished.popleft()
            self._busy -= 1
            try:
                on_end()
            except Exception:
                self._post(self._hand_back)  # Those behind it have their turn.
                raise
