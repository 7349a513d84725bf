"""Writing a file that is there whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from cloacina.errors import OutputNotWritable

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def replacing_file(output: Path) -> Generator[BinaryIO]:
    """Give a file to write to, which takes the place of `output` once the block ends without an error.

    Whatever else happens, Ctrl+C included, the file that was there before is untouched and nothing else is left. The
    bytes are on the disk before the name points to them.

    Args:
        output: The file to write or replace. Its folder must exist.

    Yields:
        A binary file, opened for writing.

    Raises:
        OutputNotWritable: The file cannot be made, written or put into its place, or `output` is no regular file.
    """
    temporary = output.with_name(f".{output.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        # A new file gets the usual rights, less the umask; one that is replaced keeps who may read it.
        mode = _mode_of(output)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(temporary, flags, 0o666 if mode is None else mode)
    except (OSError, ValueError) as problem:
        raise _not_writable(output, problem) from problem
    try:
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(descriptor)
            temporary.replace(output)
            _sync_folder(output.parent)
        except OSError as problem:
            raise _not_writable(output, problem) from problem
    finally:
        with suppress(OSError):  # after the renaming it is not there any more
            temporary.unlink()


def _mode_of(output: Path) -> int | None:
    """Return the mode of the file that is replaced, or None if there is none."""
    try:
        mode = output.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        raise OutputNotWritable(
            f"{output} is {'a folder' if stat.S_ISDIR(mode) else 'no regular file'}, and is not replaced. Name a file."
        )
    return stat.S_IMODE(mode) & 0o666


def _sync_folder(folder: Path) -> None:
    # Without this a crash of the machine could undo the renaming. Windows has no such call, and needs none.
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_writable(output: Path, problem: OSError | ValueError) -> OutputNotWritable:
    reason = problem.strerror if isinstance(problem, OSError) else None
    return OutputNotWritable(f"{output} cannot be written: {reason or problem}. What was there before is untouched.")
