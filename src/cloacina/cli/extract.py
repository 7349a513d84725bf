"""`cloacina extract`: the files of a package, in a folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cloacina.cli.exit_codes import ExitCode
from cloacina.cli.refusal import plain
from cloacina.cli.unwinding import Interrupted, interruption_unwinds
from cloacina.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloacina.packaging.archive import Extraction


def extract(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The .cloacina file.", show_default=False)],
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="The folder to make. It must not exist, or be empty.", show_default=False
        ),
    ],
    *,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What to extract for, such as linux-x86_64-cp311. By default this machine's platform and Python.",
        ),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Write the files of all targets, with vendor/ as it is in the package."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON document to stdout, and everything else to stderr.")
    ] = False,
) -> int:
    """Check all of a package and write its files into a new folder; nothing of it is run.

    The project's source is in workflow/, the dependencies for one target in site/. Whom the package is from is not
    looked at: `cloacina verify` does that.
    """
    if raw and target is not None:
        raise CommandError(
            "--raw writes the files of all targets, and --target asks for those of one. Use one of them."
        )
    from cloacina.packaging.archive import extract_package  # noqa: PLC0415 - half of what starting this command takes
    from cloacina.packaging.targets import parse_target  # noqa: PLC0415 - as above

    wanted = None if target is None else parse_target(target)
    try:
        with interruption_unwinds():
            done = extract_package(package, folder, target=wanted, layout="raw" if raw else "merged")
    except Interrupted as interruption:
        print("interrupted: nothing was written", file=sys.stderr)
        return interruption.exit_code
    if as_json:
        print(json.dumps(_document(done, folder), indent=2))
    else:
        print("\n".join(_lines(done, folder)))
    return ExitCode.OK


def _lines(done: Extraction, folder: Path) -> Iterable[str]:
    about = done.package.manifest.package
    what = "all targets" if done.target is None else done.target.name
    yield f"{plain(str(folder))}: {about.name} {about.version} for {what}"
    yield f"  fingerprint  {done.package.fingerprint}"
    yield f"  written      {done.files:,} file{'' if done.files == 1 else 's'}, {done.size:,} bytes"


def _document(done: Extraction, folder: Path) -> dict[str, Any]:
    about = done.package.manifest.package
    return {
        "file": str(done.package.path),
        "package": {"name": about.name, "version": about.version},
        "fingerprint": done.package.fingerprint,
        "folder": str(folder),
        "target": None if done.target is None else done.target.name,
        "layout": done.layout,
        "files": done.files,
        "bytes": done.size,
    }
