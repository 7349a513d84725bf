"""Build the site and inspect what was built; the exit code decides whether it may be published."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from docsite.build import build, serve
from docsite.inspection import inspect
from docsite.recordings.waiting import record

PROJECT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Run `python -m docsite`, and return its exit code: 0 when there is no defect, 1 otherwise."""
    parser = argparse.ArgumentParser(
        prog="docsite", description="Build, check and serve the site, or record what it draws."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="build the site strictly and inspect what was built")
    building.add_argument("--site", type=Path, default=PROJECT / "site", help="the folder to build into")
    building.add_argument("--external", action="store_true", help="follow links to other sites too")
    commands.add_parser("record", help="record the runs of the engine that pages draw")
    serving = commands.add_parser("serve", help="serve the site, and build it anew when something changes")
    serving.add_argument("--execute", action="store_true", help="execute the tutorials in each build")
    serving.add_argument("--address", default="127.0.0.1:8000", help="where to listen")
    chosen = parser.parse_args(arguments)
    if chosen.command == "serve":
        return serve(PROJECT, execute=chosen.execute, address=chosen.address)
    if chosen.command == "record":
        record()
        return 0
    return check(PROJECT, chosen.site, external=chosen.external)


def check(project: Path, site: Path, *, external: bool = False) -> int:
    """Build and inspect a site, print each defect, and return the exit code."""
    started = time.monotonic()
    defects = build(project, site) or inspect(site, external=external)
    for defect in defects:
        print(f"defect: {defect}", file=sys.stderr)
    pages = len(list(site.rglob("index.html")))
    verdict = f"{len(defects)} defects" if defects else "no defect"
    print(f"{pages} pages in {site}, {verdict}, {time.monotonic() - started:.1f} s")
    return 1 if defects else 0
