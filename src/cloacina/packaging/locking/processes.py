"""Child processes that end when whoever waits for them is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_DEFAULT_GRACE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Finished:
    """What a process has left: its exit code, and all that it printed."""

    exit_code: int
    output: str
    errors: str


class ProcessGroup:
    """Processes that are ended together: by `terminate()`, or when the block is left by an error.

    Ctrl+C raises `KeyboardInterrupt` in the main thread only. Where several threads wait for a process each, one group
    for all of them lets the main thread end them; the threads then see their process fail.

    Args:
        grace_seconds: How long a process may take to end before it is killed.

    Example:
        ```python
        import sys
        from pathlib import Path

        from cloacina.packaging.locking.processes import ProcessGroup

        with ProcessGroup() as processes:
            finished = processes.run([sys.executable, "-c", "print('locked')"], folder=Path.cwd())
        print(finished.exit_code, finished.output.strip())
        #> 0 locked
        ```
    """

    def __init__(self, *, grace_seconds: float = _DEFAULT_GRACE_SECONDS) -> None:
        self._grace_seconds = grace_seconds
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._is_terminated = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.terminate()

    def run(
        self, command: Sequence[str | Path], *, folder: Path, environment: Mapping[str, str] | None = None
    ) -> Finished:
        """Run a program to its end, however long it takes, without input.

        Args:
            command: The program and its arguments.
            folder: Its current folder.
            environment: All of its environment variables; by default those of this process.

        Raises:
            OSError: The program cannot be started.
        """
        process = self._start(command, folder, environment)
        try:
            output, errors = process.communicate()
        except BaseException:
            self._end(process)
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        return Finished(process.returncode, output, errors)

    def terminate(self) -> None:
        """End all that run, with what they have started; one that is asked for later is ended as soon as it starts."""
        with self._lock:
            self._is_terminated = True
            running = tuple(self._running)
        for process in running:
            _signal(process, signal.SIGTERM)
        for process in running:
            self._end(process)

    def _start(
        self, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None
    ) -> subprocess.Popen[str]:
        with self._lock:
            process = subprocess.Popen(  # noqa: S603 - the callers name the program
                [str(part) for part in command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                **_own_group(),
            )
            self._running.add(process)
            if self._is_terminated:
                _signal(process, signal.SIGTERM)
        return process

    def _end(self, process: subprocess.Popen[str]) -> None:
        """Ask a process to end, and kill it if it has not ended after a while."""
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(self._grace_seconds)
        if sys.platform != "win32":
            # Also when the process itself has ended: what it had started may be left.
            _signal(process, signal.SIGKILL)
        elif process.poll() is None:
            process.kill()
        process.wait()


def _own_group() -> dict[str, Any]:
    """Return what keeps the terminal's Ctrl+C from the process, and lets it be ended with all that it has started."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    # A group bears the id of its first process, and keeps it as long as one of its processes is left.
    with suppress(ProcessLookupError, PermissionError):
        if sys.platform == "win32":
            process.terminate()
        else:
            os.killpg(process.pid, number)
