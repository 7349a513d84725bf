"""The threads that run `def` tasks.

The engine's own, not the backend's: one hand-over to the thread and one batched hand-back reach three times the rate of
`anyio.to_thread`, and a thread that is parked in a wait must not use up anybody else's limit.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloacina.execution.event_loop import EventLoop


class BodyThreads:
    """As many threads as bodies run or are parked at once; idle ones serve the next."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self._jobs: queue.SimpleQueue[tuple[Callable[[], None], Callable[[], None]] | None] = queue.SimpleQueue()
        self._finished: deque[Callable[[], None]] = deque()
        self._hand_back_is_due = False
        self._threads = 0
        self._busy = 0

    @property
    def busy(self) -> int:
        """How many bodies have not been handed back yet."""
        return self._busy

    def run(self, body: Callable[[], None], on_end: Callable[[], None]) -> None:
        """Run a body in a thread.

        Args:
            body: Called in the thread; it must not raise.
            on_end: Called on the loop's thread when the body has returned.
        """
        self._busy += 1
        self._jobs.put((body, on_end))
        if self._busy > self._threads:
            self._threads += 1
            threading.Thread(target=self._serve, name="cloacina-task", daemon=True).start()

    def close(self) -> None:
        """End the idle threads; one whose body goes on ends with it."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            body, on_end = job
            body()
            self._finished.append(on_end)
            # Dropped before the thread parks: what a body left behind must be freed with it.
            del job, body, on_end
            if not self._hand_back_is_due:
                self._hand_back_is_due = True
                self._loop.post(self._hand_back)

    def _hand_back(self) -> None:
        self._hand_back_is_due = False
        while self._finished:
            on_end = self._finished.popleft()
            self._busy -= 1
            try:
                on_end()
            except Exception as error:  # noqa: BLE001 - handed on whole, and those behind it have their turn
                self._loop.on_error(error)
