"""The threads that run `def` tasks.

The engine's own, not the backend's: one hand-over to the thread and one batched hand-back reach three times the rate of
`anyio.to_thread`, and a thread that is parked in a wait must not use up anybody else's limit.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloacina.execution.event_loop import EventLoop

_IDLE_SECONDS = 1.0

_Job: TypeAlias = "tuple[Callable[[], None], Callable[[], None]]"
_Inbox: TypeAlias = "queue.SimpleQueue[_Job | None]"


class BodyThreads:
    """As many threads as bodies run or are parked at once; idle ones serve the next.

    The one that became idle last is the first to serve again, and one that is idle for a second ends: a burst leaves no
    threads behind.

    Args:
        loop: The event loop.
        most_idle: How many idle threads are kept at all. No more bodies than there are slots can start at once.
    """

    def __init__(self, loop: EventLoop, most_idle: int) -> None:
        self._loop = loop
        self._most_idle = most_idle
        # Each thread has its own inbox, and puts it here when it is idle.
        self._idle: deque[_Inbox] = deque()
        self._finished: deque[Callable[[], None]] = deque()
        self._hand_back_is_due = False
        self._busy = 0
        self._is_closed = False

    @property
    def busy(self) -> int:
        """How many bodies have not been handed back yet."""
        return self._busy

    def run(self, body: Callable[[], None], on_end: Callable[[], None]) -> None:
        """Run a body in a thread.

        Args:
            body: Called in the thread; it must not raise.
            on_end: Called on the loop's thread when the body has returned.

        Raises:
            RuntimeError: No thread is idle, and the system lets no further one start. The body was not called.
        """
        try:
            inbox = self._idle.pop()
        except IndexError:
            inbox = queue.SimpleQueue()
            threading.Thread(target=self._serve, args=(inbox,), name="cloacina-task", daemon=True).start()
        self._busy += 1
        inbox.put((body, on_end))

    def close(self) -> None:
        """End the idle threads; one whose body goes on ends with it."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().put(None)

    def _serve(self, inbox: _Inbox) -> None:
        is_kept = True
        while is_kept and (job := self._next_job(inbox)) is not None:
            body, on_end = job
            body()
            # Idle before that is known: what the slot of this body is given to then finds this thread.
            self._idle.append(inbox)
            if self._is_closed or len(self._idle) > self._most_idle:
                is_kept = not self._withdraw(inbox)
            self._finished.append(on_end)
            # Dropped before the thread parks: what a body left behind must be freed with it.
            del job, body, on_end
            if not self._hand_back_is_due:
                self._hand_back_is_due = True
                self._loop.post(self._hand_back)

    def _next_job(self, inbox: _Inbox) -> _Job | None:
        try:
            return inbox.get(timeout=_IDLE_SECONDS)
        except queue.Empty:
            return None if self._withdraw(inbox) else inbox.get()

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
            except Exception as error:  # noqa: BLE001 - handed on whole, and those behind it have their turn
                self._loop.on_error(error)
