"""`cloacina prune`: keep the database small."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cloacina.cli.clients import open_client
from cloacina.cli.database import DEFAULT_DATABASE, DatabaseOption
from cloacina.cli.exit_codes import ExitCode
from cloacina.cli.unwinding import Interrupted, interruption_unwinds
from cloacina.configuration import read_age
from cloacina.errors import CommandError

if TYPE_CHECKING:
    from datetime import timedelta


def prune(
    *,
    older_than: Annotated[
        str,
        typer.Option(
            metavar="AGE",
            help="How long ago they ended: a number and its unit, s, m, h, d or w, such as 30d.",
            show_default=False,
        ),
    ],
    database: DatabaseOption = DEFAULT_DATABASE,
) -> int:
    """Delete executions that ended long ago, with all that belongs to them; others are never touched.

    Runners may be at work meanwhile. The file does not shrink: its room is used again.
    """
    age = _age(older_than)
    try:
        with interruption_unwinds(), open_client(database) as client:
            count = client.prune(age)
    except Interrupted as interruption:
        print("interrupted: what was deleted until then stays so", file=sys.stderr)
        return interruption.exit_code
    print(f"deleted {count:,} execution{'' if count == 1 else 's'} that ended more than {older_than.strip()} ago")
    return ExitCode.OK


def _age(text: str) -> timedelta:
    age = read_age(text)
    if age is None:
        raise CommandError(
            f"--older-than is {text!r}; expected a number and its unit, s, m, h, d or w, such as 30d for 30 days."
        )
    return age
