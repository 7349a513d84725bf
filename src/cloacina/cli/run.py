"""`cloacina run`: run a workflow out of a file, with progress, and show its result."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Annotated

import typer

from cloacina.cli.clients import address_of
from cloacina.cli.database import DEFAULT_DATABASE, DatabaseOption
from cloacina.cli.json_argument import read_context
from cloacina.cli.json_output import print_json
from cloacina.cli.loading import Target, load_workflow
from cloacina.configuration import DEFAULT_MAX_CONCURRENT_TASKS

if TYPE_CHECKING:
    from collections.abc import Generator


def run(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE[:WORKFLOW]",
            help="A Python file, or a module such as package.flows, and the workflow in it, by name or variable, when"
            " there are several.",
            show_default=False,
        ),
    ],
    *,
    context: Annotated[
        str | None,
        typer.Option(
            metavar="JSON | @FILE", help="The initial context: a JSON object, or a file with one; @- is stdin."
        ),
    ] = None,
    slots: Annotated[
        int, typer.Option(min=1, envvar="CLOACINA_MAX_CONCURRENT_TASKS", help="How many tasks run at once.")
    ] = DEFAULT_MAX_CONCURRENT_TASKS,
    database: DatabaseOption = DEFAULT_DATABASE,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON document to stdout, and everything else to stderr.")
    ] = False,
) -> int:
    """Run a workflow, show its progress, and print the context it ends with."""
    with _stdout_to_stderr() if as_json else nullcontext():
        values = read_context(context)
        workflow = load_workflow(Target.parse(target))
        # What runs workflows takes half a second to import: wrong input is refused before that.
        from cloacina.cli.execute import execute  # noqa: PLC0415

        address = address_of(database)
        code, document = execute(workflow, values, database=address, slots=slots, as_json=as_json)
    if document is not None:
        print_json(document)
    return code


@contextmanager
def _stdout_to_stderr() -> Generator[None]:
    """Send what the file, its tasks and their subprocesses write to standard output to standard error."""
    sys.stdout.flush()
    stdout = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
