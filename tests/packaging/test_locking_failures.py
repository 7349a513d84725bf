"""The installed uv still fails as it was recorded to fail."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cloacina.packaging.locking import Uv, find_uv
from cloacina.packaging.locking.failures import error_of
from uv_failures import MESSAGES, PROJECT_FOLDER, SCENARIOS, provoke, read_sections

ERRORS = read_sections(MESSAGES / "errors.txt")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="some failures are made with what only POSIX has")


@pytest.fixture(scope="module")
def uv() -> Uv:
    return find_uv()


@pytest.mark.parametrize("name", SCENARIOS)
def test_uv_fails_as_recorded(name: str, uv: Uv, tmp_path: Path) -> None:
    exit_code, output = provoke(name, uv.path, tmp_path)
    error = error_of(output, exit_code=exit_code, folder=Path(PROJECT_FOLDER))
    kind, message = ERRORS[name]
    assert type(error).__name__ == kind, output
    recorded = MESSAGES / f"{uv.version}.txt"
    # The numbers of the system's errors, and its words for them, are those of Linux.
    if recorded.exists() and sys.platform == "linux":
        assert (str(exit_code), output.strip()) == read_sections(recorded)[name]
        assert error.message == message
