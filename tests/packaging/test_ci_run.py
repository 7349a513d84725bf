"""`.ci/run` adds up what the tests said, and no failing step reads as a success."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Stands in for uv and for everything that uv starts: it says what pytest would say, and fails where it is told to.
UV = """\
#!/bin/sh
echo "uv $*" >>commands
case "$*" in
*--other-pythons) echo "===== 20 passed, 1 skipped in 0.50s =====" && echo "===== 21 passed in 1.00s =====" ;;
*"angreal test") echo "E   the text '7 passed' of a failing test" && echo "===== $TESTS in 61.00s (0:01:01) =====" ;;
esac
case "$*" in *"$FAILING_STEP") exit 3 ;; esac
"""
PYTHON = """\
#!/bin/sh
mkdir -p .uv/bin && cp ../uv .uv/bin/uv && echo '#!/bin/sh' >.uv/bin/pip && chmod +x .uv/bin/pip
"""
# On a machine without a browser the script installs one; not from within a test.
APT_GET = """\
#!/bin/sh
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    clone = tmp_path / "clone"
    (clone / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", clone / ".ci" / "run")
    (tmp_path / "bin").mkdir()
    folder = tmp_path / "bin"
    for path, program in {tmp_path / "uv": UV, folder / "python3": PYTHON, folder / "apt-get": APT_GET}.items():
        path.write_text(program)
        path.chmod(0o755)
    return clone


def run(clone: Path, *, tests: str = "100 passed", failing_step: str = "nothing") -> tuple[int, list[str], list[str]]:
    """Run the script, and return its exit code, the lines it printed and the commands it gave to uv."""
    variables = {"PATH": f"{clone.parent / 'bin'}:{os.environ['PATH']}", "TESTS": tests, "FAILING_STEP": failing_step}
    finished = subprocess.run(
        [clone / ".ci" / "run"], cwd=clone.parent, env=variables, capture_output=True, text=True, check=False
    )
    return finished.returncode, finished.stdout.splitlines(), (clone / "commands").read_text().splitlines()


def test_a_good_run_goes_through_every_step_and_ends_with_the_sum(clone: Path) -> None:
    code, lines, commands = run(clone)
    assert code == 0
    assert lines[-1] == "141 passed, 0 failed"
    assert commands == [
        "uv run angreal test",
        "uv run angreal test --other-pythons",
        "uv run angreal check",
        "uv run angreal docs build",
        "uv run --no-default-groups examples/inbox.py",
    ]


def test_failed_and_broken_tests_are_added_up(clone: Path) -> None:
    code, lines, commands = run(clone, tests="2 failed, 98 passed, 1 error", failing_step="angreal test")
    assert code == 3
    assert lines[-1] == "98 passed, 3 failed"
    assert len(commands) == 1


@pytest.mark.parametrize(
    ("failing_step", "passed"),
    [("angreal test", 100), ("--other-pythons", 141), ("angreal check", 141), ("docs build", 141), ("inbox.py", 141)],
)
def test_a_step_that_fails_without_a_failing_test_counts_as_a_failure(
    clone: Path, failing_step: str, passed: int
) -> None:
    code, lines, commands = run(clone, failing_step=failing_step)
    assert code == 3
    assert lines[-1] == f"{passed} passed, 1 failed"
    assert commands[-1].endswith(failing_step)
    assert any(line.startswith(".ci/run failed while") and "exit code 3" in line for line in lines)
