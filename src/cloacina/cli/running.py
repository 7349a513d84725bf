"""What the commands share that run tasks: their options, and where the tasks' own output goes."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Annotated, TextIO, TypeAlias

import typer

if TYPE_CHECKING:
    from collections.abc import Generator

TargetArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="FILE[:WORKFLOW]",
        help="A Python file, or a module such as package.flows, and the workflow in it, by name or variable, when"
        " there are several.",
        show_default=False,
    ),
]
SlotsOption: TypeAlias = Annotated[
    int, typer.Option(min=1, envvar="CLOACINA_MAX_CONCURRENT_TASKS", help="How many tasks run at once.")
]
GraceOption: TypeAlias = Annotated[
    float,
    typer.Option(
        min=0,
        envvar="CLOACINA_GRACE",
        metavar="SECONDS",
        help="How long tasks at work may go on after Ctrl+C or SIGTERM.",
    ),
]


@contextmanager
def stdout_to_stderr() -> Generator[TextIO]:
    """Send what the file, its tasks and their subprocesses write to standard output to standard error.

    What it returns writes to standard output itself.
    """
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr), os.fdopen(os.dup(stdout), "w", encoding=sys.stdout.encoding) as out:
            yield out
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
