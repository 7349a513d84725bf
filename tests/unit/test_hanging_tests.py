"""A test that hangs fails, and hides none of the others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HANGING = """
import threading
import anyio
import pytest

pytestmark = pytest.mark.anyio

async def test_awaits():
    await anyio.sleep_forever()

async def test_blocks_its_loop():
    threading.Event().wait()

def test_blocks():
    threading.Event().wait()

def test_good():
    pass
"""


def test_a_test_that_hangs_fails_and_the_others_run(tmp_path: Path) -> None:
    (tmp_path / "test_hanging.py").write_text(HANGING)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "hanging_tests",
        "--hangs-after",
        "0.5",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "_support")}
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    # Five hang: one that is not async, and two on each backend.
    assert "5 failed, 1 passed" in ran.stdout, ran.stdout + ran.stderr
    assert "await anyio.sleep_forever()" in ran.stdout
    assert "most recent call first" in ran.stdout
