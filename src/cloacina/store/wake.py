"""Waking the runner of a file from another process: a datagram to its socket says that there is something to read.

What is sent is in the database before anybody is woken, so a datagram that is lost costs time and nothing else: behind
the socket stands a look at SQLite's own count of changes, four times a second. (Measured: from the sender's commit to
the loop of the receiver 0.3 ms, at half the processor time of watching the write-ahead log.)
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cloacina.membrane import Log
from cloacina.store.ownership import socket_path
from cloacina.store.threads import start_daemon

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

logger = Log("cloacina.store")

LOOK_SECONDS = 0.25
"""How long a message whose datagram was lost stays unread."""

_LONGEST_ADDRESS = 100  # bytes; the systems that we know take 103 or 107


def wake(address: str | None) -> None:
    """Wake the runner at an address; nothing when it is gone, or has been woken and has not looked yet."""
    if address is None or not hasattr(socket, "AF_UNIX"):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        try:
            sender.sendto(b"!", address)
        except OSError as error:
            if error.errno not in _GONE_OR_AWAKE:
                raise


def wake_all(addresses: Iterable[str]) -> None:
    """Wake runners, after what concerns them has been stored."""
    for address in addresses:
        try:
            wake(address)
        except OSError as error:  # A runner that is not woken looks by itself.
            logger.warning("The runner at %s could not be woken: %s", address, error)


_GONE_OR_AWAKE = frozenset({errno.ENOENT, errno.ECONNREFUSED, errno.EAGAIN, errno.ENOBUFS, errno.ENOTDIR, errno.EACCES})


class Listener:
    """Looks for what others have stored, whenever it is woken and every quarter of a second, in a thread of its own.

    Args:
        database: The file.
        runner_id: Whose listener it is.
        look: Called in the thread, once at first and then after each wake-up; told whether it was woken, as opposed to
            a quarter of a second having passed. What it raises ends the thread and is handed to `on_failure`.
        on_failure: Called in the thread.
    """

    def __init__(
        self,
        database: Path,
        runner_id: str,
        look: Callable[[bool], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._look = look
        self._on_failure = on_failure
        self._socket, self.address = _bind(database, runner_id)
        self._is_closed = False
        self._stop, self._stopped = os.pipe()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread.

        Raises:
            ThreadUnavailable: The system lets no further thread start.
        """
        self._thread = start_daemon(self._serve, "cloacina-listener")

    def close(self) -> None:
        """End the thread and remove the socket; nothing when that is done. Blocks for the time of one look."""
        if self._is_closed:
            return
        self._is_closed = True
        os.write(self._stopped, b"!")
        if self._thread is not None:
            self._thread.join()
        os.close(self._stop)
        os.close(self._stopped)
        if self._socket is not None:
            self._socket.close()
        if self.address is not None:
            Path(self.address).unlink(missing_ok=True)

    def _serve(self) -> None:
        sources: list[int] = [self._stop]
        if self._socket is not None:
            sources.append(self._socket.fileno())
        try:
            is_woken = True
            while not self._is_closed:
                self._look(is_woken)
                ready, _, _ = select.select(sources, (), (), LOOK_SECONDS)
                is_woken = bool(ready)
                self._drain()
        except BaseException as error:  # noqa: BLE001 - handed on whole
            self._on_failure(error)

    def _drain(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(BlockingIOError):
                while True:
                    self._socket.recv(16)


def _bind(database: Path, runner_id: str) -> tuple[socket.socket | None, str | None]:
    """Return a socket and its address; neither where there are no such sockets, and looking alone has to do."""
    if not hasattr(socket, "AF_UNIX"):
        return None, None
    beside = socket_path(database, runner_id)
    for path in (beside, Path(tempfile.gettempdir()) / f"cloacina-wake-{runner_id}"):
        if len(os.fsencode(path)) > _LONGEST_ADDRESS:
            continue
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            receiver.bind(os.fspath(path))
            path.chmod(0o600)
        except OSError:  # A folder that takes no sockets, as of some shared file systems.
            receiver.close()
            continue
        receiver.setblocking(False)
        return receiver, os.fspath(path)
    return None, None
