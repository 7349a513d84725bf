"""Progress for pipes and files: one line for each change of a task's state."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from cloacina.cli.progress_state import TaskState

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from cloacina.cli.progress_state import ExecutionProgress, StateChange


class LineProgress:
    """Writes a line when a task's state changes: seconds since the start, the task, its new state.

    Tasks may print into the same stream from their threads: a line is one write, with its end, so that it stays whole.
    """

    def __init__(self, progress: ExecutionProgress, stream: TextIO) -> None:
        self._progress = progress
        self._stream = stream
        self._width = max(len(task_id) for task_id in progress.tasks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def update(self, changes: list[StateChange]) -> None:
        """Write what has changed, at once."""
        for change in changes:
            if change.state is not TaskState.READY:
                self._write(change)
        self._stream.flush()

    def note(self, text: str) -> None:
        """Write a line of its own."""
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def _write(self, change: StateChange) -> None:
        begin = self._progress.started_at or change.at
        more = f" ({change.because})" if change.because else ""
        if change.state is TaskState.ACTIVE and change.attempt > 1:
            more = f" (attempt {change.attempt})"
        seconds = (change.at - begin).total_seconds()
        self._stream.write(f"{seconds:9.3f} s  {change.task_id:{self._width}}  {change.state}{more}\n")
