"""`cloacina submit`: an execution for whoever runs the workflow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cloacina.cli.clients import open_client
from cloacina.cli.database import DEFAULT_DATABASE, DatabaseOption
from cloacina.cli.exit_codes import ExitCode
from cloacina.cli.json_argument import read_context
from cloacina.cli.json_output import print_json
from cloacina.cli.refusal import plain
from cloacina.cli.unwinding import Interrupted, interruption_unwinds

if TYPE_CHECKING:
    from cloacina.store.records import ExecutionResult


def submit(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="The name of the workflow.", show_default=False)],
    *,
    context: Annotated[
        str | None,
        typer.Option(
            metavar="JSON | @FILE", help="The initial context: a JSON object, or a file with one; @- is stdin."
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="What no other execution of the workflow has, such as the number of an order. If there is one, nothing"
            " is submitted.",
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end, and print the context it ends with.")] = False,
    database: DatabaseOption = DEFAULT_DATABASE,
) -> int:
    """Submit an execution, for a runner on the same database that knows the workflow, and print its id."""
    values = read_context(context)
    with open_client(database, is_made=True) as client:
        execution = client.submit(workflow, values, key=key)
        if not execution.is_new:
            print(f"workflow {workflow!r} has an execution with key {key!r} already", file=sys.stderr)
        if not wait:
            print(execution.id)
            return ExitCode.OK
        try:
            with interruption_unwinds():
                print(f"execution {execution.id}", file=sys.stderr, flush=True)
                result = execution.wait()
        except Interrupted as interruption:
            print("interrupted: nobody waits any more, and the execution goes on", file=sys.stderr)
            return interruption.exit_code
    return _show(result)


def _show(result: ExecutionResult) -> ExitCode:
    from cloacina.cli.failure import describe_failure  # noqa: PLC0415 - not needed to submit
    from cloacina.store.records import ExecutionStatus  # noqa: PLC0415 - as above

    seconds = (result.finished_at - (result.started_at or result.finished_at)).total_seconds()
    print(f"{result.status} in {seconds:.3f} s", file=sys.stderr)
    match result.status:
        case ExecutionStatus.COMPLETED:
            print_json(result.context)
            return ExitCode.OK
        case ExecutionStatus.CANCELLED:
            return ExitCode.CANCELLED
        case _:
            if result.error is not None:
                print(plain(describe_failure(result.error)), file=sys.stderr)
            return ExitCode.FAILED
