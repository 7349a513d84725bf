"""A blocking call in a thread of its own, and steps that are awaited to their ends whatever happens meanwhile."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from cloacina.store.threads import fulfil, start_daemon

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cloacina.execution.event_loop import EventLoop

T = TypeVar("T")


class ThreadCall(Generic[T]):
    """A function that runs in a thread of its own.

    The backend's threads would do, but for three things: the limit on their number is shared with the user's code,
    which may use it up; the interpreter waits for some of them when it ends; and when the one who waits is cancelled by
    asyncio itself, the result is lost.

    Args:
        loop: The event loop.
        function: Called in the thread.

    Raises:
        ThreadUnavailable: The system lets no further thread start.
    """

    def __init__(self, loop: EventLoop, function: Callable[[], T]) -> None:
        self._loop = loop
        self._function = function
        self._outcome: Future[T] = Future()
        self._has_ended = anyio.Event()
        start_daemon(self._run, "cloacina-store")

    async def wait(self) -> None:
        """Wait for the end; may be called again and again."""
        await self._has_ended.wait()

    def has_ended(self) -> bool:
        """Return whether `wait` has nothing to wait for."""
        return self._has_ended.is_set()

    def result(self) -> T:
        """Return what the function returned, or raise what it raised; it has ended."""
        return self._outcome.result()

    def _run(self) -> None:
        fulfil(self._outcome, self._function)
        self._loop.post(self._has_ended.set)


class Uninterrupted:
    """Awaits steps to their ends, however often that is cancelled: a runner is not left half closed.

    Scopes are shielded; asyncio's own cancellation passes through shields, and Ctrl+C may be raised anywhere.

    """

    def __init__(self) -> None:
        self._interruption: BaseException | None = None

    async def complete(self, step: Callable[[], Awaitable[None]], is_done: Callable[[], object]) -> None:
        """Await a step, anew after each interruption: it goes on where it was.

        Args:
            step: What is awaited.
            is_done: Returns whether it has nothing to await any more, for one who is interrupted at every turn.
        """
        while True:
            try:
                with anyio.CancelScope(shield=True):
                    return await step()
            except (Exception, GeneratorExit):
                raise
            except BaseException as error:  # noqa: BLE001 - kept, as the docstring says
                self._interruption = error
                if is_done():
                    return None

    def raise_interruption(self) -> None:
        """Raise what came meanwhile, if anything has."""
        if self._interruption is not None:
            raise self._interruption
