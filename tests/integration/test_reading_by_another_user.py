"""What it takes for another user to read the database, as the reference says: the modes of the file and its folder."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloacina import Context, Runner, Workflow, task

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="takes the right to become another user"
)

OWNER, READER, GROUP = 54_321, 65_534, 54_322

# The modules are loaded before the user changes: the new one may have no access to them.
_BECOME = f"""
import os, sqlite3, sys
def become(user):
    os.setgroups([{GROUP}])
    os.setgid(user)
    os.setuid(user)
"""
_READ = f"""
{_BECOME}
become({READER})
connection = sqlite3.connect(f"file:{{sys.argv[1]}}?{{sys.argv[2]}}", uri=True)
print(connection.execute("SELECT count(*) FROM workflow_executions").fetchone()[0])
"""
_OPEN = f"""
{_BECOME}
from cloacina.store import Database
Database.open("sqlite://").close()
os.umask(0o077)
become({OWNER})
Database.open(sys.argv[1]).close()
print("opened")
"""


def run(program: str, *arguments: str | Path) -> str:
    """Return what a program prints, or the error with which it ends."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended.stdout.strip() or ended.stderr.strip().splitlines()[-1]


def read(path: Path, how: str = "mode=ro") -> str:
    """Read as another user: how many executions there are, or the error."""
    return run(_READ, path, how)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder that everyone may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@task
async def nothing(context: Context) -> None:
    """Do nothing."""


WORKFLOW = Workflow("nothing", tasks=[nothing])


def test_new_file_is_its_owners_alone(folder: Path) -> None:
    path = folder / "runs.db"
    with Runner(path) as runner:
        runner.execute(WORKFLOW)
        assert "unable to open" in read(path)
    assert "unable to open" in read(path)


def test_open_file_takes_the_right_to_read_it_and_no_more(folder: Path) -> None:
    path = folder / "runs.db"
    with Runner(path):
        """Create it."""
    path.chmod(0o644)

    with Runner(path) as runner:
        runner.execute(WORKFLOW)
        assert read(path) == "1"
        # It does not look into the write-ahead log, where the execution is.
        assert read(path, "immutable=1") == "0"


def test_file_at_rest_takes_a_folder_that_is_writable_or_a_promise_that_nobody_writes(folder: Path) -> None:
    path = folder / "runs.db"
    with Runner(path) as runner:
        runner.execute(WORKFLOW)
    path.chmod(0o644)

    assert "readonly database" in read(path)
    assert read(path, "immutable=1") == "1"


@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "opens"),
    [(0o660, 0o2770, "opened"), (0o644, 0o2777, "attempt to write a readonly database")],
    ids=["a group that may write both", "a folder that all may write and a file that they may not"],
)
def test_who_may_write_the_folder_has_to_be_allowed_to_write_the_file(
    folder: Path, file_mode: int, folder_mode: int, opens: str
) -> None:
    path = folder / "runs.db"
    os.chown(folder, OWNER, GROUP)
    folder.chmod(folder_mode)
    assert run(_OPEN, path) == "opened"
    path.chmod(file_mode)

    assert read(path) == "0"
    # The reader left the companions of the file behind, with the file's permissions.
    assert path.with_name("runs.db-shm").stat().st_uid == READER
    found = run(_OPEN, path)
    assert opens in found
    assert (f"companion {path}-wal is another user's" in found) == (opens != "opened")
