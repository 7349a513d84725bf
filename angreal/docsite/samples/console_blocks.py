"""Console blocks: each command is run in the folder of the page, and its output compared with what follows it.

::

    $ cloacina run report.py
    Completed in 0.12 s

A `…` stands for any text in its line, and alone on a line for any lines. What differs from run to run is named in a
mark above the block (`varies: ids, times, durations`), and is then compared by its form alone.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docsite.samples.blocks import SampleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from docsite.samples.blocks import Block

SECONDS = 300
"""How long a command may take: it bounds a hang, and a busy machine is no defect."""

# A reader has set none of these, and with UV_PROJECT_ENVIRONMENT a project of a page would be installed over this one.
_DROPPED = ("CLOACINA_", "PYTEST_", "UV_PROJECT")

_VARYING: Mapping[str, tuple[re.Pattern[str], str]] = {
    "ids": (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{8}\b"), "<id>"),
    "times": (
        re.compile(r"\b(?:\d{4}-\d\d-\d\d[T ])?\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"),
        "<time>",
    ),
    "durations": (re.compile(r"\b\d+(?:\.\d+)? ?(?:µs|ms|s|min|h)\b"), "<duration>"),
    "numbers": (re.compile(r"\b\d+(?:\.\d+)?\b"), "<number>"),
}


@dataclass(frozen=True)
class Command:
    """A command of a console block, and the output that the page shows for it."""

    text: str
    shell: str
    output: str


def run_console(block: Block, folder: Path) -> str | None:
    """Run the commands of a console block.

    Args:
        block: The block.
        folder: The folder of the page, in which the commands run.

    Returns:
        The block with the output that its commands really have, None when it shows just that.

    Raises:
        SampleError: When a command ends with another exit code than the page says, or the block holds no command.
    """
    commands = list(_commands(block))
    expected_code = int(block.marks.get("exit code", "0"))
    real: list[str] = []
    as_shown = True
    for position, command in enumerate(commands):
        code, output = _run(command, folder)
        wanted_code = expected_code if position == len(commands) - 1 else 0
        if code != wanted_code:
            raise SampleError(
                f"{block.where}: `{command.text}` ended with exit code {code}, expected {wanted_code}\n{output}"
            )
        matches = _matches(command.output, output, _variations(block))
        as_shown = as_shown and matches
        real += [command.text, command.output if matches else output]
    return None if as_shown else "\n".join(part for part in real if part) + "\n"


def _commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a block, each with the lines up to the next as its output."""
    parts = re.split(r"^(?=\$ )", block.source, flags=re.MULTILINE)
    if parts[0].strip() or len(parts) == 1:
        raise SampleError(f"{block.where}: a console block begins with a command, on a line that begins with `$ `")
    for part in parts[1:]:
        lines = part.rstrip("\n").split("\n")
        length = 1
        while lines[length - 1].endswith("\\") and length < len(lines):
            length += 1
        text = "\n".join(lines[:length])
        yield Command(text=text, shell=text.removeprefix("$ "), output="\n".join(lines[length:]).rstrip())


def _text_of(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _run(command: Command, folder: Path) -> tuple[int, str]:
    programs = str(Path(sys.executable).parent)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    # What one page has downloaded, such as a wheel, need not be downloaded for the next.
    environment.setdefault("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    if "[[tool.uv.index]]" in _text_of(folder / "pyproject.toml"):
        # A page's own index does not say when its files were published, so with a date uv would take none of them.
        environment.pop("UV_EXCLUDE_NEWER", None)
    environment |= {
        "PATH": f"{programs}{os.pathsep}{environment.get('PATH', '')}",
        "HOME": str(folder),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    if "PYTHONPYCACHEPREFIX" not in environment:
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command.shell],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SampleError(f"`{shlex.join([command.shell])}` did not end within {SECONDS} s") from error
    return done.returncode, "\n".join(line.rstrip() for line in done.stdout.rstrip().splitlines())


def _variations(block: Block) -> list[tuple[re.Pattern[str], str]]:
    names = [name.strip() for name in block.marks.get("varies", "").split(",") if name.strip()]
    if unknown := set(names) - _VARYING.keys():
        raise SampleError(
            f"{block.where}: {', '.join(sorted(unknown))} cannot vary; there are: {', '.join(sorted(_VARYING))}"
        )
    return [_VARYING[name] for name in names]


def _matches(shown: str, real: str, variations: list[tuple[re.Pattern[str], str]]) -> bool:
    shown_lines = [line.rstrip() for line in shown.splitlines()]
    for pattern, form in variations:
        shown_lines = [pattern.sub(form, line) for line in shown_lines]
        real = pattern.sub(form, real)
    # Columns are as wide as what varies in them.
    if variations:
        shown_lines = [re.sub(r" {2,}|─+", " ", line) for line in shown_lines]
        real = re.sub(r" {2,}|─+", " ", real)
    parts = [r"(?:.*\n)*" if line.strip() == "…" else _line_pattern(line) + r"\n" for line in shown_lines]
    return re.fullmatch("".join(parts), real + "\n" if real else "") is not None


def _line_pattern(line: str) -> str:
    return "[^\n]*".join(re.escape(part) for part in line.split("…"))
