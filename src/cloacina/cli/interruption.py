"""Ctrl+C: the first asks the command to end cleanly, the second leaves at once."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from cloacina.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Any, Self

_EXIT_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}
_SHOW_CURSOR = b"\x1b[?25h\n"


class Interruption:
    """While it is entered, SIGINT and SIGTERM set `exit_code` instead of ending the process; a second one ends it."""

    def __init__(self) -> None:
        self.exit_code: ExitCode | None = None
        self._before: dict[signal.Signals, Callable[[int, FrameType | None], Any] | int | None] = {}

    def __enter__(self) -> Self:
        for number in _EXIT_CODES:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        code = _EXIT_CODES[signal.Signals(number)]
        if self.exit_code is None:
            self.exit_code = code
            return
        # Threads may still run user code, so a normal exit could take for ever. The live table hides the cursor.
        if sys.stderr.isatty():
            os.write(sys.stderr.fileno(), _SHOW_CURSOR)
        os._exit(code)
