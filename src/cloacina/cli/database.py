"""What the commands of clients share: `--database`, and how an execution is named."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from cloacina.cli.clients import DEFAULT_DATABASE

__all__ = ["DEFAULT_DATABASE", "DatabaseOption", "ExecutionArgument"]

DatabaseOption: TypeAlias = Annotated[
    str, typer.Option(metavar="URL | PATH", envvar="CLOACINA_DATABASE", help="Where executions are stored.")
]
ExecutionArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="EXECUTION",
        help="The execution's id, or WORKFLOW/KEY: its workflow's name and the key that it was submitted with.",
        show_default=False,
    ),
]
