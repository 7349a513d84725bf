"""A short run of the chaos in every test run; `python -m tests.chaos --rounds 200` is the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("face", ["asyncio", "trio", "blocking"])
def test_nothing_is_lost_or_done_again_however_processes_end(face: str) -> None:
    arguments = ["--rounds", "2", "--seed", f"short-{face}", "--face", face, "--blows", "4"]
    command = [sys.executable, "-m", "tests.chaos", *arguments]
    ended = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr
