"""`cloacina inspect`: what is in a package, without running or extracting any of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from cloacina.errors import CommandError

if TYPE_CHECKING:
    from cloacina.packaging.archive import Package
    from cloacina.packaging.signing import SignatureReport, SignatureSettings


def inspect(
    package: Annotated[
        Path, typer.Argument(metavar="PACKAGE", help="The .cloacina file to look into.", show_default=False)
    ],
    *,
    tasks: Annotated[bool, typer.Option("--tasks", help="Show every task, with its function.")] = False,
    dependencies: Annotated[
        bool, typer.Option("--dependencies", help="Show every dependency, with the wheels it was installed from.")
    ] = False,
    files: Annotated[bool, typer.Option("--files", help="List the files: SHA-256, size in bytes, mode, path.")] = False,
    fingerprint: Annotated[
        bool, typer.Option("--fingerprint", help="Write the fingerprint only, as `ssh-keygen -Y verify` takes it.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON document to stdout, and everything else to stderr.")
    ] = False,
    allowed_signers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Whose keys are trusted, in OpenSSH's allowed_signers format. By default CLOACINA_ALLOWED_SIGNERS.",
        ),
    ] = None,
) -> None:
    """Show what is in a package: tasks, targets, sizes, dependencies and signatures.

    The whole file is checked before anything is shown; nothing of it is run or extracted.
    """
    views = {
        "--tasks": tasks,
        "--dependencies": dependencies,
        "--files": files,
        "--fingerprint": fingerprint,
        "--json": as_json,
    }
    if len(asked := [name for name, is_asked in views.items() if is_asked]) > 1:
        raise CommandError(
            f"{' and '.join(asked)} were given together; each shows the package in its own way. Name one"
        )

    from cloacina.packaging.archive import read_package  # noqa: PLC0415 - half of what starting this command takes

    found = read_package(package)
    if fingerprint:
        # In bytes, as a line that ended as Windows ends lines would be another message.
        sys.stdout.flush()
        sys.stdout.buffer.write(f"{found.fingerprint}\n".encode())
    elif files:
        for entry in found.contents:
            print(entry.line())
    else:
        _show(found, allowed_signers, asked[0] if asked else "")


def _show(package: Package, allowed_signers: Path | None, view: str) -> None:
    from cloacina.packaging.inspection import inspect_package  # noqa: PLC0415 - not needed for the other views
    from cloacina.packaging.signing import SignaturePolicy, SignatureSettings, refusal  # noqa: PLC0415 - as above

    settings = SignatureSettings.read(None, allowed_signers)
    reports = _reports(package, settings)
    inspection = inspect_package(package, reports)
    if view == "--json":
        print(json.dumps(inspection.to_json(), indent=2))
    else:
        from rich.console import Console  # noqa: PLC0415 - not needed for the other views

        from cloacina.cli.inspect_report import dependency_lines, summary_lines, task_lines  # noqa: PLC0415 - as above

        console = Console(highlight=False, soft_wrap=True)
        lines = {"--tasks": task_lines, "--dependencies": dependency_lines}.get(view, summary_lines)
        is_unicode = console.encoding.startswith("utf")
        for line in lines(inspection, width=console.width, is_unicode=is_unicode):
            console.print(line)
    # Who only looks is told about missing trust, and not refused; what is not valid must not go unnoticed.
    if error := refusal(reports or (), SignaturePolicy.WARN):
        raise error


def _reports(package: Package, settings: SignatureSettings) -> tuple[SignatureReport, ...] | None:
    from cloacina.packaging.signing import SignaturePolicy, report_signatures, signatures_of  # noqa: PLC0415 - as above

    if settings.policy is SignaturePolicy.OFF:
        return None
    return report_signatures(package.fingerprint, signatures_of(package), allowed_signers=settings.allowed_signers)
