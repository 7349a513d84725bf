"""Which lines of tasks run, and which run again when the process has died: those with a call outside of a checkpoint.

Python tells it: from 3.12 on by `sys.monitoring`, which disturbs nobody, and before by `sys.settrace`, of which a
thread has one. While a debugger or a measurement of coverage has that, nothing can be told, and a warning says so.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
import textwrap
import threading
import warnings
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import CodeType, FrameType

    from cloacina.task import TaskDefinition
    from cloacina.workflow import Workflow

_TOOL = 4
"""Of `sys.monitoring`: one that debuggers, coverage and profilers leave alone."""
_HARMLESS = {
    name for name in dir(builtins) if name not in {"__import__", "breakpoint", "exec", "eval", "input", "open"}
}


@dataclass(frozen=True, slots=True)
class RanAgain:
    """A call in the body of a task, outside of checkpoints, that was made again because the process had died."""

    task_id: str
    """The task."""
    file: str
    """The file's name."""
    line: int
    """The line of the call."""
    text: str
    """The call as it is written."""
    times: int
    """In how many processes it was made."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: task {self.task_id!r} called {self.text} in {self.times} processes"


class Lines:
    """Counts, for each line of a workflow's tasks, in how many processes it ran.

    Args:
        workflow: Its tasks are watched.
    """

    def __init__(self, workflow: Workflow) -> None:
        found = ((_code_of(task), task) for task in workflow.graph.tasks)
        self._tasks = {code: task for code, task in found if code is not None}
        self._now: set[tuple[CodeType, int]] = set()
        self._processes: Counter[tuple[CodeType, int]] = Counter()

    @contextmanager
    def watched(self) -> Generator[None]:
        """Watch, in the block: one process. Called in the thread of the event loop."""
        self._now.clear()
        with self._monitored() if sys.version_info >= (3, 12) else self._traced():
            yield
        self._processes.update(self._now)

    def ran_again(self) -> tuple[RanAgain, ...]:
        """Return the calls that were made in more than one process, in the order of the tasks and lines."""
        return tuple(
            RanAgain(task.id, Path(code.co_filename).name, line, text, self._processes[code, line])
            for code, task in self._tasks.items()
            for line, text in _calls_of(task)
            if self._processes[code, line] > 1
        )

    def _ran(self, code: CodeType, line: int) -> None:
        if code in self._tasks:
            self._now.add((code, line))

    @contextmanager
    def _monitored(self) -> Generator[None]:
        monitoring = cast("Any", sys).monitoring
        monitoring.use_tool_id(_TOOL, "cloacina.testing")
        monitoring.register_callback(_TOOL, monitoring.events.LINE, self._ran)
        try:
            for code in self._tasks:
                monitoring.set_local_events(_TOOL, code, monitoring.events.LINE)
            yield
        finally:
            for code in self._tasks:
                monitoring.set_local_events(_TOOL, code, 0)
            monitoring.register_callback(_TOOL, monitoring.events.LINE, None)
            monitoring.free_tool_id(_TOOL)

    @contextmanager
    def _traced(self) -> Generator[None]:
        if sys.gettrace() is not None:
            message = "which calls ran again cannot be told while a debugger or coverage traces the test on Python 3.11"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
            yield
            return
        threads_before = threading.gettrace()
        threading.settrace(self._trace)
        sys.settrace(self._trace)
        try:
            yield
        finally:
            sys.settrace(None)
            threading.settrace(threads_before)  # pyright: ignore[reportArgumentType]

    def _trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        if frame.f_code not in self._tasks:
            return None
        if event == "line":
            self._ran(frame.f_code, frame.f_lineno)
        return self._trace


def _code_of(task: TaskDefinition) -> CodeType | None:
    return getattr(inspect.unwrap(task.function), "__code__", None)


def _calls_of(task: TaskDefinition) -> Iterator[tuple[int, str]]:
    """Yield the lines and texts of a task's calls that may have an effect: not those of its handle or its context."""
    function = inspect.unwrap(task.function)
    try:
        lines, first = inspect.getsourcelines(function)
        source = textwrap.dedent("".join(lines))
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError):  # Typed into a console, or a lambda in the middle of a line.
        return
    own = {"context", task.handle_parameter}
    for call in _outer_calls(getattr(tree.body[0], "body", []), own):
        text = " ".join((ast.get_source_segment(source, call) or "").split())
        yield first + call.lineno - 1, text


def _outer_calls(nodes: list[Any], own: set[str | None]) -> Iterator[ast.Call]:
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            continue  # Called by others, if at all.
        if isinstance(node, ast.Call):
            root = node.func
            while isinstance(root, ast.Attribute | ast.Subscript):
                root = root.value
            if isinstance(root, ast.Name) and root.id in own:
                continue  # What is handed to the handle is made once, or asked: that is what it is for.
            if not (isinstance(node.func, ast.Name) and node.func.id in _HARMLESS):
                yield node
                continue
        yield from _outer_calls(list(ast.iter_child_nodes(node)), own)
