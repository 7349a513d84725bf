"""`angreal docs`: build and check the documentation site, or serve it while it is written."""

from __future__ import annotations

import sys

import angreal

from project import ROOT, run

docs = angreal.command_group(name="docs", about="The documentation site")


# What builds the site is imported by the other process: the tests of the engine run without it being installed.
def _docsite(*arguments: str) -> int:
    return run([sys.executable, "-m", "docsite", *arguments], PYTHONPATH=str(ROOT / "angreal"))


@docs()
@angreal.command(name="build", about="Build the site strictly, with the tutorials executed, and check what was built")
@angreal.argument(
    name="external", long="external", is_flag=True, takes_value=False, help="Follow links to other sites too"
)
def build(external: bool = False) -> None:
    """Build the site into `site/`, and leave with exit code 1 if there is any defect."""
    sys.exit(_docsite("build", *(["--external"] if external else [])))


@docs()
@angreal.command(name="serve", about="Serve the site, and build it anew when a page, the theme or the code changes")
@angreal.argument(
    name="execute", long="execute", is_flag=True, takes_value=False, help="Execute the tutorials in each build"
)
@angreal.argument(name="address", long="address", help="Where to listen; default: 127.0.0.1:8000")
def serve(execute: bool = False, address: str | None = None) -> None:
    """Serve the site until it is interrupted."""
    where = ["--address", address] if address else []
    sys.exit(_docsite("serve", *where, *(["--execute"] if execute else [])))


@docs()
@angreal.command(name="record", about="Record the runs of the engine that pages draw")
def record() -> None:
    """Run the programs in `docsite/recordings/` and write what happened beside them; it takes twelve seconds."""
    sys.exit(_docsite("record"))
