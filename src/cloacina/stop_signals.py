"""SIGTERM and Ctrl+C as a request to stop, for a program that leaves them to Python."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
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
    with handling({signal.SIGTERM, signal.SIGINT}, lambda _number, _frame: stop()):
        yield


@contextmanager
def handling(numbers: Iterable[int], handler: Callable[[int, FrameType | None], object]) -> Generator[None]:
    """Let signals call a handler, while it is entered; in the main thread only.

    What whoever started the process ignores stays ignored.
    """
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: kept for number, kept in before.items() if kept not in {signal.SIG_IGN, None}}
    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, kept in before.items():
            signal.signal(number, kept)
