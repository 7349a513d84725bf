"""Where a package is written: looked at before the work, and changed in one step after it."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from cloacina.errors import OutputNotWritable
from cloacina.packaging.archive.atomic_file import replacing_file

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK_BYTES = 1 << 20


def check_output(path: Path) -> None:
    """Refuse an output file that cannot be written, before anything is done for it.

    Args:
        path: Where the package is to be. Its folder need not exist.

    Raises:
        OutputNotWritable: There is a folder at the path, or the file cannot be put there.
    """
    if path.is_dir():
        raise OutputNotWritable(f"{path} is a folder. Expected a place for the package's file")
    folder = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    if not folder.is_dir():
        raise OutputNotWritable(f"{folder} is not a folder. Choose another one with -o")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputNotWritable(f"The folder {folder} is not writable. Choose another one with -o")


def put_in_place(finished: Path, path: Path) -> None:
    """Put a finished file where it belongs, in one step: a file that was there is replaced, or is as it was.

    Args:
        finished: The file. It may be on another file system, so its bytes are copied.
        path: Where it belongs. Missing folders are made, and removed again when the file cannot be written.

    Raises:
        OutputNotWritable: The file or its folder cannot be written.
    """
    folder = path.absolute().parent
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputNotWritable(
                f"The folder {folder} cannot be made: {error.strerror}. Choose another one with -o"
            ) from error
        with finished.open("rb") as source, replacing_file(path) as output:
            shutil.copyfileobj(source, output, _CHUNK_BYTES)
    except BaseException:
        for empty in made:
            with suppress(OSError):  # it was not made, or somebody else uses it already
                empty.rmdir()
        raise
