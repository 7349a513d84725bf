"""The reference of the command line, written from the program itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer.main

from cloacina.cli.app import app
from cloacina.cli.exit_codes import ExitCode
from docsite.generated.tables import cell, table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def command_reference(_docs: Path) -> str:
    """Return every command with its arguments and options, and the exit codes, as Markdown."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    program: Any = typer.main.get_command(app)
    for name, command in program.commands.items():
        yield f"## `cloacina {name}`\n"
        yield f"{command.help}\n"
        rows = [(_spelled(parameter), _meaning(parameter)) for parameter in command.params if not parameter.hidden]
        yield table(("Argument or option", "Meaning"), rows)
    yield "## Exit codes\n"
    yield table(("Code", "Meaning"), ((str(code.value), code.meaning) for code in ExitCode))


def _spelled(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    spelled = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
    return f"{spelled} `{parameter.metavar}`" if parameter.metavar else spelled


def _meaning(parameter: Any) -> str:
    facts = []
    if parameter.required:
        facts.append("required")
    if parameter.envvar:
        facts.append(f"variable `{parameter.envvar}`")
    default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    if default is not None and default is not False and not parameter.required:
        facts.append(f"default `{default}`")
    return cell(" ".join([parameter.help or "", f"({'; '.join(facts)})" if facts else ""]).strip())
