"""SIGTERM and Ctrl+C as a request to stop, for a program that leaves them to Python."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType


@contextmanager
def calling_when_told_to_stop(stop: Callable[[], object]) -> Generator[None]:
    """Let SIGTERM and Ctrl+C call a function, while it is entered; in the main thread, and nothing in any other.

    A program that handles SIGTERM itself, as web servers do, is not interfered with. What whoever started the process
    ignores, as `nohup` does, stays ignored.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) not in {signal.SIG_DFL, signal.SIG_IGN}:
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    before = {number: handler for number, handler in before.items() if handler not in {signal.SIG_IGN, None}}

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
