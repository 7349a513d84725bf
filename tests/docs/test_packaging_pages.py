"""What the guide on platforms says of them is what the code says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloacina.packaging.targets import DEFAULT_PLATFORMS, PLATFORMS, Target

if TYPE_CHECKING:
    from pathlib import Path

ROW = re.compile(r"^\| (?P<platforms>`[^|]+) \| [^|]+ \| (?P<oldest>[^|]+) \|$", re.MULTILINE)


def test_table_of_platforms_has_each_with_the_oldest_system_that_it_runs_on(project: Path) -> None:
    text = (project / "docs" / "how-to" / "package-for-multiple-platforms.md").read_text(encoding="utf-8")
    told = {
        platform: row["oldest"].partition(":")[0].strip()
        for row in ROW.finditer(text)
        for platform in re.findall(r"`([^`]+)`", row["platforms"])
    }
    floors = {platform: (Target(platform, "3.11").floor or "–").removesuffix(".0") for platform in PLATFORMS}
    assert told == floors


def test_targets_without_a_choice_are_both_processors_of_linux_and_macos() -> None:
    assert sorted(DEFAULT_PLATFORMS) == ["linux-arm64", "linux-x86_64", "macos-arm64", "macos-x86_64"]
