"""`cloacina serve`: run what others submit and leave, until told to stop."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import nullcontext
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from cloacina.cli.clients import address_of
from cloacina.cli.database import DEFAULT_DATABASE, DatabaseOption
from cloacina.cli.exit_codes import ExitCode
from cloacina.cli.interruption import Interruption
from cloacina.cli.json_output import record_document
from cloacina.cli.loading import Target, load_workflows
from cloacina.cli.refusal import plain
from cloacina.cli.running import GraceOption, SlotsOption, stdout_to_stderr
from cloacina.configuration import DEFAULT_GRACE, DEFAULT_MAX_CONCURRENT_TASKS
from cloacina.errors import CloacinaError, CommandError
from cloacina.store.records import in_a_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from cloacina.runner import Runner
    from cloacina.store.records import ExecutionChange
    from cloacina.workflow import Workflow

_SECONDS_BETWEEN_LOOKS = 0.1


def serve(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE[:WORKFLOW]...",
            help="Python files, or modules such as package.flows; without a workflow, all that are in it.",
            show_default=False,
        ),
    ],
    *,
    slots: SlotsOption = DEFAULT_MAX_CONCURRENT_TASKS,
    grace: GraceOption = DEFAULT_GRACE,
    database: DatabaseOption = DEFAULT_DATABASE,
    is_quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Tell of no execution that does not fail.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write a line of JSON for each execution to stdout, all else to stderr.")
    ] = False,
) -> int:
    """Run what is submitted to a database, and go on with what other runners have left, until told to stop.

    SIGTERM and Ctrl+C stop it: tasks at work may go on for a while, and everything else stays as it is stored, for the
    next one. A second Ctrl+C leaves at once.
    """
    with stdout_to_stderr() if as_json else nullcontext(sys.stdout) as out:
        workflows = _load(targets)
        # As for `run`.
        from cloacina.runner import Runner  # noqa: PLC0415

        address = address_of(database)
        words: Words = JSONWords(out) if as_json else Lines(out, is_quiet=is_quiet)
        with (
            Interruption() as interruption,
            Runner(address, max_concurrent_tasks=slots, on_exit="leave", grace=grace) as runner,
        ):
            serving = Serving(runner, workflows, words)
            words.ready([workflow.name for workflow in workflows], slots, str(address))
            serving.until(interruption)
        serving.tell()
        words.left(len(serving.taken))
    return ExitCode.OK


def _load(targets: Sequence[str]) -> list[Workflow]:
    """Return the workflows of all files.

    Raises:
        CommandError: Two of them have one name.
    """
    found: dict[str, Workflow] = {}
    for target in targets:
        for workflow in load_workflows(Target.parse(target)):
            if found.setdefault(workflow.name, workflow) is not workflow:
                raise CommandError(f"Two workflows are named {workflow.name!r}, and one runner cannot serve both.")
    return list(found.values())


class Serving:
    """Serves in a thread, so that output that nobody reads stops no task, and tells in this one.

    Args:
        runner: The runner, entered.
        workflows: What it serves.
        words: How it is told.

    Attributes:
        taken: The executions that were taken up and have not ended.
    """

    def __init__(self, runner: Runner, workflows: Sequence[Workflow], words: Words) -> None:
        self._runner = runner
        self._words = words
        self._changes: SimpleQueue[ExecutionChange] = SimpleQueue()
        self._failure: CloacinaError | None = None
        self.taken: set[str] = set()
        self._thread = threading.Thread(target=self._serve, args=workflows, name="cloacina-serve", daemon=True)
        self._thread.start()

    def _serve(self, *workflows: Workflow) -> None:
        try:
            self._runner.serve(*workflows, on_change=self._changes.put)
        except CloacinaError as error:
            self._failure = error

    def until(self, interruption: Interruption) -> None:
        """Tell what happens, until somebody interrupts it or the runner breaks down.

        Raises:
            CloacinaError: The runner has broken down.
        """
        while interruption.exit_code is None and self._thread.is_alive():
            self._take(_SECONDS_BETWEEN_LOOKS)
        if interruption.exit_code is not None:
            self._words.leaving()
            self._runner.stop()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def tell(self) -> None:
        """Tell what has happened since."""
        while not self._changes.empty():
            self._take(0)

    def _take(self, seconds: float) -> None:
        try:
            change = self._changes.get(timeout=seconds)
        except Empty:
            return
        if change.status.is_final:
            self.taken.discard(change.id)
            self._words.ended(change)
        else:
            self.taken.add(change.id)
            self._words.taken(change)


class Words(Protocol):
    """A way to tell."""

    def ready(self, workflows: Sequence[str], slots: int, database: str) -> None:
        """Tell that it serves."""
        ...

    def taken(self, change: ExecutionChange) -> None:
        """Tell that an execution was taken up."""
        ...

    def ended(self, change: ExecutionChange) -> None:
        """Tell that an execution has ended."""
        ...

    def leaving(self) -> None:
        """Tell that it was told to stop."""
        ...

    def left(self, count: int) -> None:
        """Tell how many executions have not ended."""
        ...


class Lines:
    """Tells people, a line at a time.

    Args:
        stream: Where to.
        is_quiet: Whether only failures are told of.
    """

    def __init__(self, stream: TextIO, *, is_quiet: bool) -> None:
        self._stream = stream
        self._is_quiet = is_quiet

    def ready(self, workflows: Sequence[str], slots: int, database: str) -> None:
        """Tell that it serves."""
        names = ", ".join(workflows)
        self._write(f"serving {names} on {database}, slots: {slots}; Ctrl+C stops it")

    def taken(self, change: ExecutionChange) -> None:
        """Tell that an execution was taken up."""
        if not self._is_quiet:
            self._tell(change, "taken up")

    def ended(self, change: ExecutionChange) -> None:
        """Tell that an execution has ended."""
        if change.error is not None:
            self._tell(change, f"{change.status}: {plain(in_a_line(change.error))}")
        elif not self._is_quiet:
            self._tell(change, change.status)

    def leaving(self) -> None:
        """Tell that it was told to stop."""
        self._write("stopping; press Ctrl+C again to leave at once")

    def left(self, count: int) -> None:
        """Tell how many executions have not ended."""
        if count:
            self._write(f"stopped; {count} execution{'s' * (count != 1)} left as stored, for the next runner")
        else:
            self._write("stopped")

    def _tell(self, change: ExecutionChange, what: str) -> None:
        self._write(f"{change.at:%Y-%m-%d %H:%M:%S}  {change.workflow}  {change.id}  {what}")

    def _write(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()


class JSONWords:
    """Tells programs: a JSON object in each line.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def ready(self, workflows: Sequence[str], slots: int, database: str) -> None:
        """Tell that it serves."""
        self._write("ready", workflows=list(workflows), slots=slots, database=database)

    def taken(self, change: ExecutionChange) -> None:
        """Tell that an execution was taken up."""
        self._write("taken", **record_document(change))

    def ended(self, change: ExecutionChange) -> None:
        """Tell that an execution has ended."""
        self._write("ended", **record_document(change))

    def leaving(self) -> None:
        """Tell that it was told to stop."""
        self._write("stopping")

    def left(self, count: int) -> None:
        """Tell how many executions have not ended."""
        self._write("stopped", left=count)

    def _write(self, event: str, **values: Any) -> None:
        self._stream.write(json.dumps({"event": event, **values}) + "\n")
        self._stream.flush()
