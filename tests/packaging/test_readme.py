"""The README's commands are those that are tested, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    """Return the commands that the README tells a reader to type, without the prompt."""
    blocks = re.findall(r"^```console\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


def test_there_are_two_commands_the_main_job_and_the_tests() -> None:
    main_job, tests = commands()
    assert main_job.endswith(" examples/inbox.py")
    assert tests.endswith(" angreal test")


@pytest.mark.parametrize("position", [0, 1], ids=["main job", "tests"])
def test_ci_runs_the_command_as_it_stands_in_the_readme(position: int) -> None:
    lines = [line.strip() for line in (ROOT / ".ci" / "run").read_text().splitlines()]
    assert commands()[position] in lines


def test_the_introduction_is_five_lines() -> None:
    introduction = README.split("\n\n")[1]
    assert len(introduction.splitlines()) == 5


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "adr/README.md"])
def test_every_link_to_a_file_leads_to_one(page: str) -> None:
    path = ROOT / page
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text())
    missing = [target for target in targets if "://" not in target and not (path.parent / target).exists()]
    assert missing == []


def test_every_decision_record_is_listed_once() -> None:
    records = sorted(path.name for path in (ROOT / "adr").glob("[0-9]*.md"))
    listed = re.findall(r"\]\(([0-9][^)]*\.md)\)", (ROOT / "adr" / "README.md").read_text())
    assert listed == records
    numbers = [record[:4] for record in records]
    assert numbers == [f"{number:04}" for number in range(1, len(records) + 1)]
