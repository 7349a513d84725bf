"""A command that writes files leaves none behind when it is asked to end, or its terminal is closed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from archive_samples import LINUX, make
from cloacina.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows knows none of these signals")

# The signals arrive while the second file, or the second piece of the archive, is written: first one, then another one
# while what was written is being removed.
PROGRAM = """
import os, shutil, signal, sys

from cloacina.cli import main
from cloacina.packaging.archive import packing, private_folder

wanted = getattr(signal, sys.argv[1])
signal.signal(wanted, signal.default_int_handler if wanted == signal.SIGINT else signal.SIG_DFL)
calls = 0

def interrupted(work):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == 2:
            os.kill(os.getpid(), wanted)
        return work(*arguments, **options)
    return call

private_folder.PrivateFolder.write = interrupted(private_folder.PrivateFolder.write)
packing.PackedStream.add = interrupted(packing.PackedStream.add)
remove = shutil.rmtree

def remove_interrupted(*arguments, **options):
    os.kill(os.getpid(), wanted)
    remove(*arguments, **options)

shutil.rmtree = remove_interrupted
sys.exit(main(sys.argv[2:]))
"""
CODES = {
    "SIGINT": ExitCode.INTERRUPTED,
    "SIGTERM": ExitCode.TERMINATED,
    "SIGHUP": ExitCode.TERMINATED,
}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = shutil.which("ssh-keygen")
    if program is None:
        pytest.skip("there is no ssh-keygen")
    path = tmp_path_factory.mktemp("key") / "release"
    subprocess.run([program, "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def end(folder: Path, signal_name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, signal_name, *arguments],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("signal_name", CODES)
def test_extract_leaves_no_folder_behind(tmp_path: Path, signal_name: str) -> None:
    (tmp_path / "report.cloacina").write_bytes(make().pack())

    done = end(tmp_path, signal_name, "extract", "report.cloacina", "out", "--target", LINUX)

    assert (done.returncode, done.stdout) == (CODES[signal_name], "")
    assert done.stderr == "interrupted: nothing was written\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.cloacina"]


@pytest.mark.parametrize("signal_name", CODES)
def test_sign_leaves_the_package_as_it_was(tmp_path: Path, key: Path, signal_name: str) -> None:
    (tmp_path / "report.cloacina").write_bytes(packed := make().pack())

    done = end(tmp_path, signal_name, "sign", "report.cloacina", "--key", key)

    assert (done.returncode, done.stdout) == (CODES[signal_name], "")
    assert done.stderr == "interrupted: the package is whole, either signed or as it was\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.cloacina"]
    assert (tmp_path / "report.cloacina").read_bytes() == packed


def test_what_the_caller_ignores_stays_ignored(tmp_path: Path) -> None:
    (tmp_path / "report.cloacina").write_bytes(make().pack())
    program = PROGRAM.replace("signal.SIG_DFL)", "signal.SIG_IGN)", 1)

    done = subprocess.run(
        [sys.executable, "-c", program, "SIGHUP", "extract", "report.cloacina", "out", "--target", LINUX],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )

    assert done.returncode == ExitCode.OK, done.stderr
    assert (tmp_path / "out" / "workflow").is_dir()
