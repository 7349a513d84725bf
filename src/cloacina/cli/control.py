"""`cloacina cancel`, `cloacina retry`: end an execution, or let it go on after it has failed."""

from __future__ import annotations

from typing import Annotated

import typer

from cloacina.cli.clients import execution_named, open_client
from cloacina.cli.database import DEFAULT_DATABASE, DatabaseOption, ExecutionArgument
from cloacina.cli.json_argument import read_context
from cloacina.errors import CommandError


def cancel(execution: ExecutionArgument, *, database: DatabaseOption = DEFAULT_DATABASE) -> None:
    """Cancel an execution that no runner has, or ask the runner that has it to.

    A runner lets the tasks clean up first.
    """
    with open_client(database) as client:
        is_new = client.cancel(execution_named(execution))
        found = client.execution(execution_named(execution))
    if found.status.is_final and found.status != "Cancelled":
        raise CommandError(f"Execution {found.id} is {found.status}, and can be cancelled no more.")
    if found.status.is_final:
        print(f"execution {found.id} is cancelled")
    else:
        print(f"the runner of execution {found.id} {'is' if is_new else 'had been'} asked to cancel it")


def retry(
    execution: ExecutionArgument,
    *,
    context: Annotated[
        str | None,
        typer.Option(
            metavar="JSON | @FILE",
            help="An initial context in place of the one it has: a JSON object, or a file with one; @- is stdin.",
        ),
    ] = None,
    database: DatabaseOption = DEFAULT_DATABASE,
) -> None:
    """Let an execution that failed or was cancelled go on from there: what has completed does not run again."""
    values = None if context is None else read_context(context)
    with open_client(database) as client:
        is_new = client.retry(execution_named(execution), values)
        found = client.execution(execution_named(execution))
    if not is_new and found.status not in {"Failed", "Cancelled"}:
        what = f"Execution {found.id} is {found.status}, and only one that failed or was cancelled is run again."
        raise CommandError(what)
    if found.status.is_final:
        print(f"the runner of execution {found.id} {'is' if is_new else 'had been'} asked to go on with it")
    else:
        print(f"execution {found.id} goes on")
