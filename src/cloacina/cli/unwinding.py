"""Ctrl+C, SIGTERM and a closed terminal as an exception, so that a command that writes files leaves none behind."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloacina.cli.exit_codes import ExitCode
from cloacina.stop_signals import handling

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType


class Interrupted(KeyboardInterrupt):
    """Raised in place of the end of the process.

    Attributes:
        exit_code: What the command has to end with.
    """

    def __init__(self, exit_code: ExitCode) -> None:
        super().__init__()
        self.exit_code = exit_code


@contextmanager
def interruption_unwinds() -> Generator[None]:
    """While it is entered, Ctrl+C, SIGTERM and a closed terminal raise `Interrupted`, so that nothing is left behind.

    Only the first does: removing takes a moment, and a second one must not stop it halfway. What whoever started this
    process ignores, as `nohup` does, stays ignored.
    """
    is_interrupted = False

    def interrupt(number: int, _: FrameType | None) -> None:
        nonlocal is_interrupted
        if not is_interrupted:
            is_interrupted = True
            raise Interrupted(ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED)

    with handling({signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}, interrupt):
        yield
