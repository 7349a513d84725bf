"""The program: the one place where errors become a line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING

from cloacina.cli.exit_codes import ExitCode
from cloacina.cli.plain_signal import read_plain_signal
from cloacina.cli.refusal import refuse
from cloacina.errors import CloacinaError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; by default what the process was started with.

    Returns:
        The exit code, one of `ExitCode`.
    """
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            # A character that the terminal's encoding lacks must not end a run.
            reconfigure(errors="backslashreplace")
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):
        # Nobody reads the output any more. Typer, where it sees that first, ends by SystemExit, and nothing else does.
        # The interpreter flushes at its end once more; that has to go nowhere, and quietly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OUTPUT_CLOSED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except CloacinaError as error:
        return refuse(error)
    except Exception:  # noqa: BLE001 - nothing else is left that could show it
        traceback.print_exc()
        print("error: this is a defect in Cloacina; please report it with the lines above", file=sys.stderr)
        return ExitCode.DEFECT
    return code


def _run(arguments: Sequence[str] | None) -> int:
    if (plain := read_plain_signal(sys.argv[1:] if arguments is None else arguments)) is not None:
        plain.send()
        return ExitCode.OK
    from cloacina.cli.app import run_command  # noqa: PLC0415 - Typer takes longer to import than a signal to send

    return run_command(arguments)


def _open_what_is_closed() -> None:
    """Let output go nowhere where the process was started without it, as `>&-` does and some services do.

    Python then has no stream, and the next file that is opened would get its number: a database would be what
    subprocesses read from. Standard input stays missing for who asks for it.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(descriptor, True)
            if name != "stdin":
                setattr(sys, name, open(descriptor, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - it stays open
