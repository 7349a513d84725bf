"""Who is alive among the runners that share a file: each holds a lock on a file of its own beside the database.

The kernel gives a lock up when its process ends, however it ends, so a lock that can be taken is that of a dead runner.
A stopped process keeps its lock, and rightly so: it still owns what it runs. The locks are those of `flock`: the older
ones of POSIX are lost when their process closes the file anywhere, and can be taken twice in one process.
"""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakSet

from cloacina.errors import StoreUnavailable

try:
    import fcntl
except ImportError:  # pragma: no cover - on Windows, where no runner is ever told to be dead
    fcntl = None  # type: ignore[assignment]


class RunnerLock:
    """The lock of a runner that is open, held until it is left or its process ends.

    Forked children do not hold it: they close what they have inherited.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor
        _held.add(self)

    @classmethod
    def take(cls, database: Path, runner_id: str) -> RunnerLock:
        """Create the file of a new runner, and lock it.

        Args:
            database: The file that the runner shares with others.
            runner_id: The runner's id, which no other has had.

        Raises:
            StoreUnavailable: The file cannot be created.
        """
        path = lock_path(database, runner_id)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            message = (
                f"Cannot open the database {database}: its runner needs the file {path.name} beside it, which cannot "
                f"be created: {error.strerror or error}; let this process write into the folder."
            )
            raise StoreUnavailable(message) from error
        _share_as(database, descriptor)
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(descriptor, f"{os.getpid()} on {socket.gethostname()}\n".encode())
        return cls(path, descriptor)

    def release(self) -> None:
        """Remove the file and give up the lock; nothing when that is done."""
        if self._descriptor is not None:
            self.path.unlink(missing_ok=True)
            self.close()

    def keep(self) -> None:
        """Hold the lock until the process ends."""
        _kept.append(self)

    def close(self) -> None:
        """Give up the lock, and leave the file to whoever holds it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _share_as(database: Path, descriptor: int) -> None:
    """Let whoever may write to the database open a file beside it, so that they can tell whether it is locked."""
    try:
        found = database.stat()
    except FileNotFoundError:  # Removed since it was opened; the writer will tell.
        return
    if hasattr(os, "fchown"):
        with contextlib.suppress(PermissionError):  # A group that this user is not in.
            os.fchown(descriptor, -1, found.st_gid)
        os.fchmod(descriptor, found.st_mode & 0o666)


def lock_path(database: Path, runner_id: str) -> Path:
    """Return where the lock of a runner is."""
    return database.with_name(f"{database.name}-runner-{runner_id}")


def remove_leftovers(database: Path, runner_id: str) -> None:
    """Remove the files that a dead runner has left beside the database."""
    lock_path(database, runner_id).unlink(missing_ok=True)
    socket_path(database, runner_id).unlink(missing_ok=True)


def socket_path(database: Path, runner_id: str) -> Path:
    """Return where the socket is that wakes a runner, if its path is not too long."""
    return database.with_name(f"{database.name}-wake-{runner_id}")


def is_locked(path: Path) -> bool | None:
    """Return whether somebody holds a lock.

    Returns:
        None when there is no such file, or nobody can tell on this system. A file that is there and cannot be opened,
        such as another user's, counts as locked: to take a runner for dead that is not would run its tasks twice.
    """
    if fcntl is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process is: what its number means, and to whom."""

    host: str
    """The machine's name."""
    boot_id: str | None
    """The boot of the machine's kernel; None where it has no name."""
    pid_namespace: int | None
    """The namespace in which `pid` means something; None where there are no namespaces."""
    pid: int
    """The process."""

    @classmethod
    def here(cls) -> Place:
        """Return where this process is."""
        boot_id = namespace = None
        with contextlib.suppress(OSError):
            boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        with contextlib.suppress(OSError):
            namespace = Path("/proc/self/ns/pid").stat().st_ino
        return cls(socket.gethostname(), boot_id, namespace, os.getpid())


_held: WeakSet[RunnerLock] = WeakSet()
_kept: list[RunnerLock] = []


def _close_in_child() -> None:
    for lock in list(_held):
        lock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
