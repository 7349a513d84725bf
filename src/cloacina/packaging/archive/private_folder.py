"""A folder that is filled out of sight and then appears under its name, whole."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

_CREATE: Final = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_FOLDER_MODE: Final = 0o755


class PrivateFolder:
    """A new folder, readable by nobody else until it is moved, and the files that are written into it.

    Every folder is opened by its name in the one above it, and no link is followed, so nothing that another process
    puts there meanwhile leads a file elsewhere. Where the system has no such calls, full paths are used.

    Args:
        path: Where to make the folder; there must be nothing.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(mode=0o700)
        self._made: set[str] = set()
        self._is_read_only = False
        self._has_handles = os.open in os.supports_dir_fd and os.mkdir in os.supports_dir_fd
        # The folder that was written to last, with those above it: their names, and the open folders.
        self._open: list[tuple[str, int]] = []

    def write(self, path: str, pieces: Iterable[bytes | memoryview], mode: int) -> None:
        """Write a new file.

        Args:
            path: Where in this folder, with `/` between the parts.
            pieces: Its bytes.
            mode: Its mode, whatever the umask is.

        Raises:
            OSError: It is there already, or cannot be written.
        """
        folder, _, name = path.rpartition("/")
        if self._has_handles:
            descriptor = os.open(name, _CREATE, 0o600, dir_fd=self._enter(folder))
        else:
            self._make_by_path(folder)
            descriptor = os.open(self.path / path, _CREATE, 0o600)
        try:
            for piece in pieces:
                _write_all(descriptor, memoryview(piece))
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)

    def make_read_only(self) -> None:
        """Take the right to write from all folders in this one; that of files is in their modes.

        Raises:
            OSError: It cannot be taken.
        """
        self._is_read_only = True
        for folder in self._made:
            _change_mode(self.path / folder, 0o555)

    def move_to(self, place: Path, *, mode: int) -> None:
        """Give the folder its name, in one step.

        Args:
            place: The name; there must be nothing, or an empty folder.
            mode: The mode that the folder has from then on.

        Raises:
            OSError: There is something, or the folder cannot be renamed.
        """
        self.close()
        self.path.chmod(_FOLDER_MODE)
        if os.name == "nt" and place.is_dir():
            place.rmdir()  # Elsewhere renaming replaces an empty folder, and only an empty one.
        self.path.rename(place)
        self.path = place
        place.chmod(mode)

    def close(self) -> None:
        """Close the open folders."""
        while self._open:
            os.close(self._open.pop()[1])

    def remove(self) -> None:
        """Remove the folder with all that is in it.

        Raises:
            OSError: It cannot be removed.
        """
        self.close()
        if self._is_read_only:
            for folder in self._made:
                _change_mode(self.path / folder, 0o700)
        shutil.rmtree(self.path)

    def _enter(self, folder: str) -> int:
        """Return the open folder of that path, made where it is missing."""
        if not self._open:
            self._open.append(("", _open_folder(str(self.path), None)))
        while (current := self._open[-1][0]) and folder != current and not folder.startswith(f"{current}/"):
            os.close(self._open.pop()[1])
        current, descriptor = self._open[-1]
        for name in folder[len(current) :].strip("/").split("/"):
            if not name:
                continue
            path = f"{current}/{name}" if current else name
            if path not in self._made:
                os.mkdir(name, 0o700, dir_fd=descriptor)
                self._made.add(path)
                descriptor = _open_folder(name, descriptor)
                os.fchmod(descriptor, _FOLDER_MODE)
            else:
                descriptor = _open_folder(name, descriptor)
            current = path
            self._open.append((current, descriptor))
        return descriptor

    def _make_by_path(self, folder: str) -> None:
        missing: list[str] = []
        while folder and folder not in self._made:
            missing.append(folder)
            folder = folder.rpartition("/")[0]
        for path in reversed(missing):
            (self.path / path).mkdir(mode=_FOLDER_MODE)
            self._made.add(path)


@contextmanager
def private_folder_beside(place: Path) -> Generator[PrivateFolder]:
    """Give a private folder beside a place, to be moved there; if it was not moved at the end, it is removed.

    Args:
        place: The absolute path that it is going to have.

    Yields:
        The folder.

    Raises:
        OSError: It cannot be made or removed.
    """
    folder = PrivateFolder(place.with_name(f".{place.name[:100]}.{secrets.token_hex(8)}.part"))
    try:
        yield folder
    finally:
        if folder.path != place:
            folder.remove()
        folder.close()


def _open_folder(name: str, above: int | None) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)


def _change_mode(folder: Path, mode: int) -> None:
    if not hasattr(os, "O_DIRECTORY"):
        folder.chmod(mode)
        return
    descriptor = _open_folder(str(folder), None)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, piece: memoryview) -> None:
    while piece:
        piece = piece[os.write(descriptor, piece) :]
