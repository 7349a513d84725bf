"""The steps of a build as they happen: a line each, and on a terminal what is being worked on below them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TextIO

from rich.columns import Columns
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.text import Text

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Protocol, Self

    from rich.console import ConsoleOptions, RenderableType, RenderResult

    from cloacina.packaging.building.progress import BuildProgress

    class ShownProgress(BuildProgress, AbstractContextManager["ShownProgress"], Protocol):
        """A display that is shown while its block runs."""


_LABEL_WIDTH: Final = 11  # as in the report that follows
_LIVE_LABEL_WIDTH: Final = _LABEL_WIDTH - 2  # the symbol and its space stand before it
_BAR_WIDTH: Final = 30
_FRAMES_PER_SECOND: Final = 10
_WORTH_TELLING: Final = 0.05  # seconds


def progress_for(stream: TextIO) -> ShownProgress:
    """Return the display that suits a stream: a live one for a terminal, lines for everything else."""
    console = Console(file=stream)
    return LiveBuildProgress(console) if console.is_terminal else LineBuildProgress(stream)


class LineBuildProgress:
    """Writes a line when a step is done."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._began_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def begin(self, step: str) -> None:  # noqa: ARG002 - a line is written when the step is done
        """Remember when the step began."""
        self._began_at = time.perf_counter()

    def detail(self, step: str, text: str) -> None:
        """Leave the detail out: a log is read when all is over."""

    def advance(self, step: str, done: int, total: int) -> None:
        """Leave the advance out, as the detail."""

    def end(self, step: str, summary: str) -> None:
        """Write the step's line."""
        print(f"{step:{_LABEL_WIDTH}} {summary}{_duration(self._began_at)}", file=self._stream, flush=True)

    def note(self, text: str) -> None:
        """Write a line of its own."""
        print(f"{'note':{_LABEL_WIDTH}} {text}", file=self._stream, flush=True)


class LiveBuildProgress:
    """Draws the current step in place, with a bar where it is known how much is to be done; steps that are done stay.

    Args:
        console: The terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._is_unicode = console.encoding.startswith("utf")
        self._spinner = Spinner("dots" if self._is_unicode else "line", style="cyan")
        self._live = Live(self, console=console, refresh_per_second=_FRAMES_PER_SECOND, transient=True)
        self._step, self._detail = "", ""
        self._began_at = 0.0
        self._share: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and self._step:
            self._console.print(self._line("✗" if self._is_unicode else "x", "red", self._step, ""))
        self._step = ""
        self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._step:
            return
        parts: list[RenderableType] = [self._spinner, Text(f"{self._step:{_LIVE_LABEL_WIDTH}}", "bold")]
        if self._share is not None:
            parts.append(ProgressBar(1.0, self._share, width=_BAR_WIDTH, complete_style="cyan", finished_style="cyan"))
        parts.append(Text(self._detail, "dim", no_wrap=True, overflow="ellipsis"))
        yield Columns(parts, padding=(0, 1))

    def begin(self, step: str) -> None:
        """Show the step as the one that is worked on."""
        self._step, self._detail, self._share = step, "", None
        self._began_at = time.perf_counter()
        self._live.start(refresh=True)  # not before: a passphrase may be asked for until then

    def detail(self, step: str, text: str) -> None:  # noqa: ARG002 - it is the one that has begun
        """Show the detail beside the step."""
        self._detail = text
        self._live.refresh()

    def advance(self, step: str, done: int, total: int) -> None:  # noqa: ARG002 - as above
        """Move the step's bar; it is drawn with the next frame, since this is called thousands of times a second."""
        self._share = done / total if total else None

    def end(self, step: str, summary: str) -> None:
        """Put the step's line above what is still to come."""
        self._step = ""
        symbol = "✓" if self._is_unicode else "+"
        self._console.print(self._line(symbol, "green", step, f"{summary}{_duration(self._began_at)}"))

    def note(self, text: str) -> None:
        """Put a line above what is still to come."""
        self._console.print(self._line("!", "yellow", "note", text))

    def _line(self, symbol: str, style: str, step: str, text: str) -> Text:
        return Text.assemble((symbol, style), " ", (f"{step:{_LIVE_LABEL_WIDTH}}", "bold"), " ", text)


def _duration(began_at: float) -> str:
    seconds = time.perf_counter() - began_at
    return f" ({seconds:.1f} s)" if seconds >= _WORTH_TELLING else ""
