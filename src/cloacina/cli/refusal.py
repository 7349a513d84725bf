"""How an error ends a command: one message on standard error, and an exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cloacina.cli.exit_codes import exit_code_of

if TYPE_CHECKING:
    from cloacina.cli.exit_codes import ExitCode
    from cloacina.errors import CloacinaError


def refuse(error: CloacinaError, exit_code: ExitCode | None = None) -> ExitCode:
    """Show an error, and return the exit code that the command ends with.

    Args:
        error: What went wrong.
        exit_code: In place of the one that errors of its class have.
    """
    print(f"error: {plain(str(error))}", file=sys.stderr)
    return exit_code_of(error) if exit_code is None else exit_code


def plain(text: str) -> str:
    """Return a text without what would command the terminal or turn a line around: that is shown by its number.

    What a message holds may come from a stranger: the name of a file, what an imported package printed, what an index
    has answered. Its lines stay.
    """
    return "".join(
        character if character.isprintable() or character in "\n\t" else ascii(character)[1:-1] for character in text
    )
