"""Build the site, strictly, and serve it while it is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# What checks notebooks would otherwise load a checker of IRIs, which nothing here asks for, and which compiles 38
# grammars when it is imported: a second in each build.
_MKDOCS = [
    sys.executable,
    "-c",
    "import sys; sys.modules['rfc3987_syntax'] = None; from mkdocs.__main__ import cli; cli(prog_name='mkdocs')",
]
_BANNERS_OFF = {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
_RECORD = re.compile(r"^(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+-\s+(?P<text>.*)$")
_TRACEBACK = "Traceback (most recent call last):"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def build(project: Path, site: Path, *, execute: bool = True) -> list[str]:
    """Build the site; warnings are errors.

    The tutorials run in an empty folder, so that what they write is not left in the project, and what they need is
    not found there.

    Args:
        project: The folder that holds mkdocs.yml.
        site: The folder to build into; what it holds is replaced.
        execute: Whether the tutorials are executed.

    Returns:
        The problems, empty when there are none. The exit code decides, never the log.
    """
    command = [*_MKDOCS, "build", "--strict", "--clean"]
    command += ["--config-file", str(project / "mkdocs.yml"), "--site-dir", str(site)]
    with tempfile.TemporaryDirectory() as empty:
        done = subprocess.run(
            command,
            cwd=empty,
            env=_environment(execute=execute),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
    if done.returncode == 0:
        return []
    return _problems(done.stdout) or [f"mkdocs failed with exit code {done.returncode}:\n{done.stdout}"]


def serve(project: Path, *, execute: bool, address: str) -> int:
    """Serve the site and build it anew when a page, the theme or the code changes.

    Args:
        project: The folder that holds mkdocs.yml.
        execute: Whether each build executes the tutorials, which takes longer.
        address: Where to listen, as `host:port`.

    Returns:
        The exit code of mkdocs.
    """
    # A page that is being written has links to pages that are not there yet; they are warnings here.
    command = [*_MKDOCS, "serve", "--no-strict", "--livereload", "--dev-addr", address]
    command += ["--config-file", str(project / "mkdocs.yml")]
    with tempfile.TemporaryDirectory() as empty:
        return subprocess.run(command, cwd=empty, env=_environment(execute=execute), check=False).returncode


def _environment(*, execute: bool) -> dict[str, str]:
    return {**os.environ, **_BANNERS_OFF, "CLOACINA_DOCS_EXECUTE": str(execute).lower()}


def _problems(log: str) -> list[str]:
    """Return what mkdocs warned of, each with the lines that belong to it, and the error that ended the build."""
    problems: list[str] = []
    level = "INFO"
    traceback = False
    for line in _COLOUR.sub("", log).splitlines():
        record = _RECORD.match(line)
        if record:
            level, traceback = record["level"], False
            if level not in {"DEBUG", "INFO"}:
                problems.append(record["text"])
        elif line == _TRACEBACK:
            traceback = True
            problems.append("")
        elif traceback:
            # Only the last line of a traceback that is not indented says what happened.
            problems[-1] = problems[-1] if line.startswith(" ") or not line else line
        elif level not in {"DEBUG", "INFO"} and problems:
            problems[-1] = f"{problems[-1]}\n{line}".rstrip()
    return [problem for problem in problems if problem]
