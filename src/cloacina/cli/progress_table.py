"""Progress for terminals: a live table of tasks, what each does, and for how long."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cloacina.cli.progress_state import TaskProgress, TaskState

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

    from cloacina.cli.progress_state import ExecutionProgress, StateChange

_STYLES = {
    TaskState.PENDING: "dim",
    TaskState.READY: "dim",
    TaskState.ACTIVE: "bold green",
    TaskState.DEFERRED: "cyan",
    TaskState.RESUMING: "bold cyan",
    TaskState.RETRYING: "yellow",
    TaskState.COMPLETED: "green",
    TaskState.FAILED: "bold red",
    TaskState.SKIPPED: "dim",
    TaskState.CANCELLED: "yellow",
}
_SYMBOLS = {
    TaskState.PENDING: "·",
    TaskState.READY: "·",
    TaskState.ACTIVE: "●",
    TaskState.DEFERRED: "○",
    TaskState.RESUMING: "◐",
    TaskState.RETRYING: "↻",
    TaskState.COMPLETED: "✓",
    TaskState.FAILED: "✗",
    TaskState.SKIPPED: "-",
    TaskState.CANCELLED: "-",
}
_ASCII_SYMBOLS = {
    TaskState.ACTIVE: "*",
    TaskState.DEFERRED: "o",
    TaskState.RESUMING: "o",
    TaskState.RETRYING: "~",
    TaskState.COMPLETED: "+",
    TaskState.FAILED: "x",
}
# Who gives way first when the terminal has too few lines: what a person needs least comes last.
_IMPORTANCE = [
    TaskState.FAILED,
    TaskState.ACTIVE,
    TaskState.RESUMING,
    TaskState.RETRYING,
    TaskState.DEFERRED,
    TaskState.CANCELLED,
    TaskState.READY,
    TaskState.COMPLETED,
    TaskState.PENDING,
    TaskState.SKIPPED,
]
_LINES_FOR_OTHERS = 4  # the head, the line of what is left out, and the cursor's, with one to spare
_FRAMES_PER_SECOND = 10
_SYMBOL_WIDTH, _STATE_WIDTH, _TIME_WIDTH, _GAP = 1, len(TaskState.COMPLETED), len("in a slot"), 2
_NARROW = 60  # columns; below, there is no room for both times
_SHORT, _MINUTE, _HOUR = 0.05, 60, 3600  # seconds


class TableProgress:
    """Draws the table in place; what tasks print appears above it.

    Args:
        name: The workflow's name.
        progress: What to draw.
        slots: The number of slots.
        console: Where to draw.
    """

    def __init__(self, name: str, progress: ExecutionProgress, slots: int, console: Console) -> None:
        self._name, self._progress, self._slots = name, progress, slots
        self._note = ""
        self._frozen_at: datetime | None = None
        self._is_unicode = console.encoding.startswith("utf")
        self._live = Live(self, console=console, refresh_per_second=_FRAMES_PER_SECOND, vertical_overflow="crop")

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._frozen_at = datetime.now(UTC)
        self._note = ""
        self._live.stop()

    def update(self, changes: list[StateChange]) -> None:
        """Tell above the table why a task is retried; the table itself is drawn anew ten times a second anyway."""
        for change in changes:
            if change.state is TaskState.RETRYING:
                text = f"attempt {change.attempt} of {change.task_id!r} failed: {change.because}"
                self._live.console.print(Text(text, "yellow"))

    def note(self, text: str) -> None:
        """Show a line below the table."""
        self._note = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        now = self._frozen_at or datetime.now(UTC)
        shown = self._chosen(max(options.size.height - _LINES_FOR_OTHERS, 1))
        lines: list[RenderableType] = [self._head(now), self._table(shown, now, options.max_width)]
        if hidden := [task for task in self._progress.tasks.values() if task not in shown]:
            counts = ", ".join(
                f"{count} {state}" for state in TaskState if (count := sum(task.state is state for task in hidden))
            )
            lines.append(Text(f"  and {len(hidden)} more: {counts}", style="dim", no_wrap=True, overflow="ellipsis"))
        if self._note:
            lines.append(Text(self._note, style="yellow", no_wrap=True, overflow="ellipsis"))
        yield Group(*lines)

    def _head(self, now: datetime) -> Text:
        counts = self._progress.count()
        busy = counts[TaskState.ACTIVE]
        begin = self._progress.started_at or now
        ended = sum(count for state, count in counts.items() if state.is_final)
        head = Text(no_wrap=True, overflow="ellipsis")
        head.append(self._name, "bold")
        head.append(f"  {ended}/{len(self._progress.tasks)} done")
        head.append(f"  {busy}/{self._slots} slots", "green" if busy else "")
        head.append(f"  {_duration((now - begin).total_seconds())}", "dim")
        return head

    def _table(self, tasks: list[TaskProgress], now: datetime, width: int) -> Table:
        is_narrow = width < _NARROW
        taken = sum(w + _GAP for w in (_SYMBOL_WIDTH, _STATE_WIDTH, _TIME_WIDTH)) + (
            0 if is_narrow else _TIME_WIDTH + _GAP
        )
        longest = max(cell_len(self._label(task)) for task in self._progress.tasks.values())
        table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, show_header=not is_narrow, header_style="dim")
        # Rich would take from every column when there is too little room; only the names may give way.
        table.add_column("", width=_SYMBOL_WIDTH)
        table.add_column("task", width=max(min(longest, width - taken), 8), no_wrap=True, overflow="ellipsis")
        table.add_column("", width=_STATE_WIDTH)
        table.add_column("in a slot", justify="right", width=_TIME_WIDTH)
        if not is_narrow:
            table.add_column("waiting", justify="right", width=_TIME_WIDTH)
        for task in tasks:
            table.add_row(*self._row(task, now, is_narrow=is_narrow))
        return table

    def _row(self, task: TaskProgress, now: datetime, *, is_narrow: bool) -> list[Text]:
        held, waited = task.times(now)
        style = _STYLES[task.state]
        symbol = _SYMBOLS[task.state] if self._is_unicode else _ASCII_SYMBOLS.get(task.state, "-")
        name = Text(self._label(task), "dim" if task.since is None else "yellow" if task.attempt > 1 else "")
        row = [Text(symbol, style), name, Text(task.state, style)]
        if is_narrow:
            return [*row, Text(_duration(max(held, waited)), "cyan" if waited > held else "")]
        return [*row, Text(_duration(held)), Text(_duration(waited), "cyan")]

    def _label(self, task: TaskProgress) -> str:
        return f"{task.task_id} (attempt {task.attempt})" if task.attempt > 1 else task.task_id

    def _chosen(self, room: int) -> list[TaskProgress]:
        """Return the tasks to show, in their order: all, or the most important ones when there is no room for all."""
        tasks = list(self._progress.tasks.values())
        if len(tasks) <= room:
            return tasks
        # Of those of one state, the ones that changed last.
        by_importance = sorted(
            tasks,
            key=lambda task: (_IMPORTANCE.index(task.state), -task.since.timestamp() if task.since else 0.0),
        )
        kept = {task.task_id for task in by_importance[:room]}
        return [task for task in tasks if task.task_id in kept]


def _duration(seconds: float) -> str:
    if seconds <= 0:
        return ""
    if seconds < _SHORT:
        return "<0.1 s"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), _MINUTE)
    if seconds < _HOUR:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02} h"
