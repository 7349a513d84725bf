"""`cloacina run`: run a workflow out of a file, with progress, and show its result."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

import typer

from cloacina.cli.database import DEFAULT_DATABASE, DatabaseOption
from cloacina.cli.json_argument import read_context
from cloacina.cli.json_output import print_json
from cloacina.cli.loading import Target, load_workflow
from cloacina.cli.running import GraceOption, SlotsOption, TargetArgument, stdout_to_stderr
from cloacina.configuration import DEFAULT_GRACE, DEFAULT_MAX_CONCURRENT_TASKS


def run(
    target: TargetArgument,
    *,
    context: Annotated[
        str | None,
        typer.Option(
            metavar="JSON | @FILE", help="The initial context: a JSON object, or a file with one; @- is stdin."
        ),
    ] = None,
    slots: SlotsOption = DEFAULT_MAX_CONCURRENT_TASKS,
    grace: GraceOption = DEFAULT_GRACE,
    database: DatabaseOption = DEFAULT_DATABASE,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON document to stdout, and everything else to stderr.")
    ] = False,
) -> int:
    """Run a workflow, show its progress, and print the context it ends with.

    Ctrl+C leaves it as it is stored, and tells how to go on with it.
    """
    with stdout_to_stderr() if as_json else nullcontext():
        values = read_context(context)
        workflow = load_workflow(Target.parse(target))
        # What runs workflows takes half a second to import: wrong input is refused before that.
        from cloacina.cli.execute import Setting, execute  # noqa: PLC0415

        setting = Setting(target, database, slots, grace, as_json)
        code, document = execute(workflow, lambda runner: runner.submit(workflow, values), setting)
    if document is not None:
        print_json(document)
    return code
