"""`cloacina build`: make one package of a project, for all of its targets."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # Typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from cloacina.cli.exit_codes import ExitCode
from cloacina.cli.refusal import refuse
from cloacina.cli.unwinding import Interrupted, interruption_unwinds
from cloacina.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping


def build(
    project: Annotated[
        Path, typer.Argument(metavar="PROJECT", help="The project's folder, with its pyproject.toml.")
    ] = Path(),
    *,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLATFORM",
            help="What to build for, in place of the project's targets: linux-x86_64, linux-arm64, linux-musl-x86_64, "
            "macos-x86_64, macos-arm64, windows-x86_64. Can be repeated.",
        ),
    ] = None,
    python: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VERSION",
            help="The Python to build for, in place of the project's, such as 3.12. Can be repeated.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="The folder for the package; by default dist in PROJECT."),
    ] = None,
    locked: Annotated[
        bool, typer.Option("--locked", help="Fail if uv.lock does not fit pyproject.toml, instead of updating it.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Use uv's cache only.")] = False,
    sign: Annotated[
        Path | None,
        typer.Option(
            metavar="KEY",
            help="Sign with this Ed25519 private key. Its passphrase is asked for, or taken from "
            "CLOACINA_SIGNING_PASSPHRASE.",
        ),
    ] = None,
    check_reproducible: Annotated[
        bool, typer.Option("--check-reproducible", help="Build twice, in different folders, and compare the bytes.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be built; download and write nothing.")
    ] = False,
    allow_untested_uv: Annotated[
        bool, typer.Option("--allow-untested-uv", help="Use a version of uv that Cloacina was not tested with.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List every file.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON document to stdout, and everything else to stderr.")
    ] = False,
) -> int:
    """Build a project into one package for all of its targets: locked, vendored, checked, reproducible."""
    # What builds packages takes a while to import, and no other command needs it.
    from cloacina.cli import build_report  # noqa: PLC0415
    from cloacina.cli.build_progress import progress_for  # noqa: PLC0415
    from cloacina.cli.passphrase import passphrase_of  # noqa: PLC0415
    from cloacina.packaging.building.build import build_package, plan_build  # noqa: PLC0415
    from cloacina.packaging.targets import DEFAULT_PLATFORMS, PYTHONS, targets_of  # noqa: PLC0415

    # From here on, what is wrong with a definition is wrong with one in the project.
    targets_of(target or DEFAULT_PLATFORMS, python or PYTHONS)
    try:
        with interruption_unwinds(), progress_for(sys.stderr if as_json else sys.stdout) as progress:
            if dry_run:
                plan = plan_build(
                    project,
                    output,
                    platforms=target,
                    pythons=python,
                    locked=locked,
                    offline=offline,
                    allow_untested_uv=allow_untested_uv,
                    progress=progress,
                )
                document, lines = build_report.plan_document(plan), build_report.plan_lines(plan, is_verbose=verbose)
            else:
                result = build_package(
                    project,
                    output,
                    platforms=target,
                    pythons=python,
                    locked=locked,
                    offline=offline,
                    signing_key=sign,
                    passphrase=None if sign is None else passphrase_of(sign),
                    check_reproducible=check_reproducible,
                    allow_untested_uv=allow_untested_uv,
                    progress=progress,
                )
                document = build_report.result_document(result)
                lines = build_report.result_lines(result, is_verbose=verbose)
    except Interrupted as interruption:
        print("interrupted: no package was written", file=sys.stderr)
        return interruption.exit_code
    except DefinitionError as error:
        return refuse(error, ExitCode.PROJECT)
    if as_json:
        _print_document(document)
    else:
        print("\n".join(lines))
    return ExitCode.OK


def _print_document(document: Mapping[str, object]) -> None:
    is_unicode = sys.stdout.encoding.lower().startswith("utf")
    print(json.dumps(document, indent=2, ensure_ascii=not is_unicode))
