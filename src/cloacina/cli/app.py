"""The commands of the program, and its help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from typer import TyperException

from cloacina import __version__
from cloacina.cli.build import build
from cloacina.cli.control import cancel, retry
from cloacina.cli.exit_codes import ExitCode
from cloacina.cli.explain import explain
from cloacina.cli.extract import extract
from cloacina.cli.inspect import inspect
from cloacina.cli.lock import lock
from cloacina.cli.messages import answer, questions, signal
from cloacina.cli.new import new
from cloacina.cli.prune import prune
from cloacina.cli.resume import resume
from cloacina.cli.run import run
from cloacina.cli.serve import serve
from cloacina.cli.sign import sign
from cloacina.cli.submit import submit
from cloacina.cli.verify import verify
from cloacina.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

# A paragraph that starts with \b keeps its lines.
_EXIT_CODES = "\n".join(["\b", "Exit codes:", *(f"{code.value:>5}  {code.meaning}" for code in ExitCode)])

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
# In the order of use: run a file; submit to who runs it, tell what happens, clean up after it; make, build, look into,
# trust and unpack a package; look up what went wrong.
app.command(short_help="Run a workflow out of a Python file.", epilog=_EXIT_CODES)(run)
app.command(short_help="Go on with an execution that was left.", epilog=_EXIT_CODES)(resume)
app.command(short_help="Run what is submitted elsewhere, until told to stop.", epilog=_EXIT_CODES)(serve)
app.command(short_help="Submit an execution, for a runner elsewhere.", epilog=_EXIT_CODES)(submit)
app.command(short_help="Send a signal to an execution.", epilog=_EXIT_CODES)(signal)
app.command(short_help="List the questions that wait for an answer.", epilog=_EXIT_CODES)(questions)
app.command(short_help="Answer a question.", epilog=_EXIT_CODES)(answer)
app.command(short_help="Cancel an execution.", epilog=_EXIT_CODES)(cancel)
app.command(short_help="Let an execution go on that failed or was cancelled.", epilog=_EXIT_CODES)(retry)
app.command(short_help="Delete executions that ended long ago.", epilog=_EXIT_CODES)(prune)
app.command(short_help="Make a project to build a package from.", epilog=_EXIT_CODES)(new)
app.command(short_help="Lock a project's dependencies, and check for wheels.", epilog=_EXIT_CODES)(lock)
app.command(short_help="Build one package of a project, for all its targets.", epilog=_EXIT_CODES)(build)
app.command(short_help="Show what is in a package.", epilog=_EXIT_CODES)(inspect)
app.command(short_help="Check that a package is unchanged, and who signed it.", epilog=_EXIT_CODES)(verify)
app.command(short_help="Put a signature into a package.", epilog=_EXIT_CODES)(sign)
app.command(short_help="Write the files of a package into a folder.", epilog=_EXIT_CODES)(extract)
app.command(short_help="Show what an error code means, and what to do about it.")(explain)


@app.callback(invoke_without_command=True, epilog=_EXIT_CODES)
def cloacina(
    context: typer.Context,
    *,
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> int:
    """Run workflows whose tasks wait for the world without holding a slot."""
    if show_version:
        print(f"cloacina {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(ExitCode.USAGE)
    return ExitCode.OK


def run_command(arguments: Sequence[str] | None) -> int:
    """Run the command that the words of a command line ask for, and return its exit code.

    Raises:
        CommandError: They ask for none, or not as it is asked for.
    """
    try:
        return int(app(args=arguments, prog_name="cloacina", standalone_mode=False) or ExitCode.OK)
    except TyperException as problem:
        raise CommandError(f"{problem.format_message().rstrip('.')}; see 'cloacina --help'.") from problem
