"""Change one thing in the code, run the tests that reach its line, and tell which changes none of them notices."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import coverage  # pyright: ignore[reportMissingModuleSource] - it is in the environment of `angreal mutants` only
import pytest

from mutation.changes import Mutant, mutants_of

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [f"src/cloacina/{name}" for name in ("execution", "scheduling", "store")]
# What reaches these folders in its own process.
TESTS = ["tests/unit", "tests/integration", "--ignore-glob=*packaging*", "--ignore-glob=*test_cli_*"]
PYTEST = ["-q", "-p", "no:cacheprovider", "--tb=short", "--no-header"]
NOTICED = {"killed", "hangs"}


class Reach:
    """Which tests reach a line, and how long each takes; found out once for each state of sources and tests."""

    def __init__(self, folder: Path) -> None:
        self.seconds: dict[str, float] = {}
        self._file = folder / "seconds.json"
        self._coverage = coverage.Coverage(str(folder / "coverage"), include=[f"{ROOT}/src/*"], config_file=False)

    def find(self) -> str:
        """Load what was found out before, or run all tests; return by what this state of sources and tests is known."""
        files = sorted(file for top in ("src", "tests") for file in (ROOT / top).rglob("*.py"))
        state = sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
        if self._file.exists() and (known := json.loads(self._file.read_text()))["state"] == state:
            self.seconds = known["seconds"]
            self._coverage.load()
            return state
        self._coverage.erase()
        self._coverage.start()
        code = pytest.main([*TESTS, *PYTEST], plugins=[self])
        self._coverage.stop()
        self._coverage.save()
        if code:
            sys.exit("Tests fail without any change; mend that first.")
        self._file.write_text(json.dumps({"state": state, "seconds": self.seconds}))
        return state

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Let what runs from here on count for this test."""
        self._coverage.switch_context(item.nodeid)
        began = time.monotonic()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.monotonic() - began

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Return the tests that reach a change, quick ones first."""
        found = self._coverage.get_data().contexts_by_lineno(str(ROOT / mutant.file)).get(mutant.line, [])
        return sorted(filter(self.seconds.__contains__, found), key=self.seconds.__getitem__)


def judge(mutant: Mutant, reach: Reach, copy: Path, number: int) -> str:
    """Run the tests that reach a change on a copy of the sources that has it, and tell what came of it."""
    tests = reach.tests_of(mutant)
    if not tests:
        return "no test reaches it"
    file, listed = copy / mutant.file, copy / "tests"
    original = file.read_bytes()
    file.write_bytes(original[: mutant.start] + mutant.replacement.encode() + original[mutant.end :])
    # Byte code of another change of the same length, made in the same second, would be taken for that of this one.
    os.utime(file, (number, number))
    listed.write_text("\n".join(tests))
    variables = {"PYTHONPATH": str(copy / "src"), "PYTHONPYCACHEPREFIX": str(copy / "bytecode")}
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *PYTEST, "-x", "--hangs-after", "30", f"@{listed}"],
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        code = process.wait(60 + 5 * sum(map(reach.seconds.__getitem__, tests)))
    except subprocess.TimeoutExpired:
        return "hangs"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        file.write_bytes(original)
    return "killed" if code else f"{len(tests)} tests reach it"


def main() -> int:
    """Run the program; return 1 when a change is not noticed."""
    parser = argparse.ArgumentParser(prog="angreal mutants")
    parser.add_argument("paths", nargs="*", default=FOLDERS, type=Path)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, required=True)
    arguments = parser.parse_args()
    os.chdir(ROOT)
    arguments.results.mkdir(parents=True, exist_ok=True)
    paths = [file for path in map(Path, arguments.paths) for file in ([path] if path.is_file() else path.rglob("*.py"))]
    mutants = [mutant for file in sorted(set(paths)) for mutant in mutants_of(str(file), file.read_bytes())]
    if arguments.sample:
        chance = random.Random(arguments.seed)  # noqa: S311 - it chooses, and keeps no secret
        mutants = sorted(chance.sample(mutants, min(arguments.sample, len(mutants))))
    reach = Reach(arguments.results)
    # What is known of the same sources and tests is kept: a run that was broken off goes on where it was.
    kept = arguments.results / f"{reach.find()}.jsonl"
    verdicts = dict(map(json.loads, kept.read_text().splitlines())) if kept.exists() else {}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as workers, kept.open("a") as file:
        copies: SimpleQueue[Path] = SimpleQueue()
        for name in ("first", "second"):
            shutil.copytree(ROOT / "src", Path(folder, name, "src"))
            copies.put(Path(folder, name))

        def decide(number: int, mutant: Mutant) -> None:
            copy = copies.get()
            verdicts[str(mutant)] = found = judge(mutant, reach, copy, number)
            copies.put(copy)
            file.write(json.dumps([str(mutant), found]) + "\n")
            file.flush()
            if found not in NOTICED:
                print(f"{mutant} ({found})", flush=True)

        undecided = [mutant for mutant in mutants if str(mutant) not in verdicts]
        print(f"{len(mutants)} changes, {len(undecided)} of them to be tried; those that no test notices:", flush=True)
        list(workers.map(decide, range(len(undecided)), undecided))
    alive = [mutant for mutant in mutants if verdicts[str(mutant)] not in NOTICED]
    print(f"\nNo test notices {len(alive)} of {len(mutants)} changes:", *sorted(map(str, alive)), sep="\n")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
