"""One round: executions, runners that run them, and what befalls them."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from tests.chaos import invariants, processes
from tests.chaos.effects import Effects
from tests.chaos.points import POINTS
from tests.chaos.processes import Face, Place, Work
from tests.chaos.workflows import make_script, signals_for

from cloacina import Client

Blow = Literal["point", "kill", "stop", "lock", "full", "client", "terminate"]
_FACES: tuple[Face, ...] = get_args(Face)
BLOWS: tuple[Blow, ...] = get_args(Blow)
_WEIGHTS = (8, 4, 2, 2, 1, 1, 1)

PATIENCE_SECONDS = 60.0
"""How long what has to come is waited for: it bounds a hang, and times nothing."""
_TRIES_SECONDS = 0.4
"""How long the runners of a round try again while the file is locked or full."""
_LOOK_SECONDS = 0.01
_DISK_MEGABYTES = 8
_DISKS = 0.25
"""How many rounds have a small disk that can be filled, where one can be mounted; files have a limit in the others."""


class Failed(Exception):
    """Raised when a promise did not hold."""


@dataclass(slots=True)
class Round:
    """The plan of a round, which its seed determines, and what became of it.

    How the processes interleave is theirs: the same seed meets the same blows, not always the same fate.
    """

    seed: str
    face: Face | None = None
    blows: int = 6
    told: list[str] = field(default_factory=list)

    def run(self, folder: Path) -> None:
        """Run it in an empty folder.

        Raises:
            Failed: A promise did not hold.
        """
        choose = random.Random(self.seed)
        with _disk(folder, wanted=choose.random() < _DISKS) as disk:
            if disk is not folder:
                self.told.append(f"disk of {_DISK_MEGABYTES} MB")
            place = Place(folder, disk / "chaos.db", choose.randint(1, 4))
            _Course(self, choose, place, disk is not folder).run()


@contextmanager
def _disk(folder: Path, *, wanted: bool) -> Generator[Path]:
    """Give a small disk that can be filled; the folder itself where none can be mounted."""
    mounted = folder / "disk"
    if wanted:
        mounted.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={_DISK_MEGABYTES}m", "tmpfs", str(mounted)]
        wanted = subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0
    try:
        yield mounted if wanted else folder
    finally:
        if wanted:
            for path in mounted.glob("chaos.db*"):
                if path.is_file():
                    shutil.copy(path, folder)
            subprocess.run(["umount", "--lazy", str(mounted)], check=False)


class _Course:
    """A round as it goes."""

    def __init__(self, plan: Round, choose: random.Random, place: Place, is_on_disk: bool) -> None:
        self._plan = plan
        self._choose = choose
        self._place = place
        self._is_on_disk = is_on_disk
        self._looks: list[invariants.Stored] = []
        self._runners: dict[int, Face] = {}
        self._clients: set[int] = set()
        self._logs = 0
        works: list[Work] = []
        for number in range(choose.randint(2, 6)):
            script = make_script(choose)
            works.append(Work(number, script, tuple(signals_for(choose, script)), choose.random() < 0.12))
        self._works = works

    def run(self) -> None:
        """Strike blow after blow, then let one runner finish; look whether all holds."""
        try:
            self._start_client()
            self._start_runner(self._works)
            for _ in range(self._plan.blows):
                self._strike(self._choose.choices(BLOWS, _WEIGHTS)[0])
                self._looks.append(invariants.look(self._place))
            self._finish()
        except Failed as failure:
            raise Failed(f"{failure}\n{self._story()}") from None
        finally:
            for pid in [*self._runners, *self._clients]:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        found = invariants.violations(self._place, self._works, self._looks)
        if found:
            raise Failed("\n".join(found[:20]) + f"\n{self._story()}")

    def _story(self) -> str:
        logs = [path.read_text()[-3000:] for path in sorted(self._place.folder.glob("log-*")) if path.stat().st_size]
        return "\n".join([*self._plan.told, *logs])

    # ── Processes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _log(self) -> Path:
        self._logs += 1
        return self._place.folder / f"log-{self._logs:02}"

    def _start_runner(self, works: list[Work], death: tuple[str, int] | None = None, patience: float = 0.0) -> int:
        face = self._choose.choice(_FACES) if self._plan.face is None else self._plan.face
        run = partial(processes.run, self._place, face, works, death, patience or _TRIES_SECONDS)
        pid = processes.start(run, self._log())
        self._runners[pid] = face
        self._plan.told.append(f"runner {pid} on {face}" + (f", to die at {death[0]} {death[1]}" if death else ""))
        return pid

    def _start_client(self) -> int:
        call = partial(processes.call, self._place, self._works, f"{self._plan.seed}-{self._logs}")
        pid = processes.start(call, self._log())
        self._clients.add(pid)
        return pid

    def _has_ended(self, pid: int) -> bool:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            self._runners.pop(pid, None)
            self._clients.discard(pid)
            self._plan.told.append(f"process {pid} ended by {os.waitstatus_to_exitcode(status)}")
        return bool(ended)

    def _end(self, pid: int, number: signal.Signals) -> None:
        if not self._has_ended(pid):
            os.kill(pid, number)
            _, status = os.waitpid(pid, 0)
            self._runners.pop(pid, None)
            self._clients.discard(pid)
            self._plan.told.append(f"process {pid} got {number.name} and ended by {os.waitstatus_to_exitcode(status)}")

    def _pause(self, longest: float) -> None:
        time.sleep(self._choose.random() * longest)

    def _someone(self) -> int:
        """Return a runner that is at work; a new one, if there is none."""
        for pid in list(self._runners):
            self._has_ended(pid)
        if not self._runners or (len(self._runners) == 1 and self._choose.random() < 0.4):
            self._start_runner([])
        return self._choose.choice(sorted(self._runners))

    # ── Blows ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _strike(self, blow: Blow) -> None:
        self._plan.told.append(blow)
        if blow == "point":
            nth = int(2 ** self._choose.uniform(0, 5))
            pid = self._start_runner([], (self._choose.choice(POINTS), nth))
            for other in list(self._runners):
                if other != pid and self._choose.random() < 0.7:
                    self._end(other, signal.SIGKILL)
            until = time.monotonic() + 0.6
            while not self._has_ended(pid) and time.monotonic() < until:
                time.sleep(_LOOK_SECONDS)
            return
        pid = self._someone()
        self._pause(0.3)
        if blow == "kill":
            self._end(pid, signal.SIGKILL)
        elif blow == "terminate":
            self._terminate(pid)
        elif blow == "stop":
            self._stop(pid)
        elif blow == "lock":
            self._lock()
        elif blow == "full":
            self._fill(pid)
        elif self._clients:
            self._end(next(iter(self._clients)), signal.SIGKILL)
            self._start_client()

    def _terminate(self, pid: int) -> None:
        """Let a runner be left: what it has is free for others when it ends."""
        if self._has_ended(pid):
            return
        os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._has_ended(pid):
            if time.monotonic() > until:
                raise Failed(f"runner {pid} is not left")
            time.sleep(_LOOK_SECONDS)

    def _stop(self, pid: int) -> None:
        """Stop a process for a while: it owns what it runs, and goes on with it or dies."""
        if self._has_ended(pid):
            return
        os.kill(pid, signal.SIGSTOP)
        if len(self._runners) == 1:
            self._start_runner([])
        self._pause(0.8)
        if self._choose.random() < 0.3:
            self._end(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGCONT)

    def _lock(self) -> None:
        with closing(sqlite3.connect(self._place.database, timeout=60, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            self._pause(2 * _TRIES_SECONDS)
            connection.execute("ROLLBACK")

    def _fill(self, pid: int) -> None:
        if not self._is_on_disk:
            self._limit(pid)
            return
        ballast = self._place.database.with_name("ballast")
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(65_536))
            except OSError:
                self._pause(2 * _TRIES_SECONDS)
        ballast.unlink()

    def _limit(self, pid: int) -> None:
        """Let files of one process grow no further for a while, where no disk can be filled."""
        wal = self._place.database.with_name(f"{self._place.database.name}-wal")
        if self._has_ended(pid) or not wal.exists():
            return
        # What tasks do outside of the store goes on.
        largest = max(wal.stat().st_size, 65_536 + self._place.effects.stat().st_size)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
        self._pause(2 * _TRIES_SECONDS)
        if not self._has_ended(pid):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    # ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _finish(self) -> None:
        for pid in [*self._runners, *self._clients]:
            self._end(pid, signal.SIGKILL)
        self._looks.append(invariants.look(self._place))
        pid = self._start_runner(self._works, patience=30.0)
        self._plan.told.append(f"runner {pid} finishes")
        effects = Effects(self._place.effects)
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._place.database.exists() or not _is_stored(self._place.database, len(self._works)):
            self._refuse_if_hanging(pid, until)
        client = processes.start(partial(_attend, self._place, self._works), self._log())
        self._clients.add(client)
        while invariants.unfinished(self._place.database) != 0:
            self._refuse_if_hanging(pid, until)
            if client in self._clients:
                self._has_ended(client)
        self._place.stop.touch()
        while pid in self._runners:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._runners[pid]
                if code := os.waitstatus_to_exitcode(status):
                    raise Failed(f"the last runner ended by {code}")
            elif time.monotonic() > until:
                raise Failed("the last runner is not left")
            time.sleep(_LOOK_SECONDS)
        effects.add("over")

    def _refuse_if_hanging(self, pid: int, until: float) -> None:
        time.sleep(_LOOK_SECONDS)
        if self._has_ended(pid):
            raise Failed("the last runner ended early")
        if time.monotonic() > until:
            raise Failed(f"what has not ended: {_hanging(self._place.database)}")


def _attend(place: Place, works: list[Work]) -> None:
    """Send and answer all that executions wait for, until the last runner is to be left."""
    effects = Effects(place.effects)
    with Client(place.database) as client:
        processes.send_all(client, effects, works)
        while not place.stop.exists():
            processes.answer_all(client, effects)
            time.sleep(_LOOK_SECONDS)


def _is_stored(database: Path, count: int) -> bool:
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        try:
            return bool(connection.execute("SELECT count(*) FROM workflow_executions").fetchone()[0] == count)
        except sqlite3.OperationalError:  # The tables are being made.
            return False


def _hanging(database: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        query = (
            "SELECT e.idempotency_key, e.status, e.runner_id, t.task_id, t.status, t.sub_status, t.attempt, w.kind,"
            " w.name, w.phase FROM workflow_executions e JOIN task_executions t ON t.execution_id = e.id"
            " LEFT JOIN waits w ON w.task_execution_id = t.id AND w.phase != 'ended'"
            " WHERE e.status IN ('Pending', 'Running') AND t.status IN ('Pending', 'Ready', 'Running')"
        )
        return connection.execute(query).fetchall()


def run_round(seed: str, face: Face | None, blows: int, *, keep: bool) -> Round:
    """Run one round in a folder of its own, which is kept when it fails.

    Raises:
        Failed: A promise did not hold.
    """
    plan = Round(seed, face, blows)
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
    try:
        plan.run(folder)
    except Failed as failure:
        raise Failed(f"{failure}\nwhat is left of it is in {folder}") from None
    if not keep:
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()
    return plan
