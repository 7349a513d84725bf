"""The private folder of a build: made, filled, and removed however the build ends."""

from __future__ import annotations

import errno
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cloacina.errors import OutputNotWritable

if TYPE_CHECKING:
    from collections.abc import Generator

_PREFIX: Final = "cloacina-build-"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
ADVICE: Final = "Make room, or name another folder for temporary files in TMPDIR"
"""What helps against every failure of this folder."""


@contextmanager
def private_folder() -> Generator[Path]:
    """Give a new folder that nobody else can read, and remove it with all that is in it.

    Raises:
        OutputNotWritable: There is no folder for temporary files that can be written, or it is full.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    except OSError as error:
        raise OutputNotWritable(f"No temporary folder can be made: {error.strerror}. {ADVICE}") from error
    try:
        yield folder
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OutputNotWritable(f"The folder for temporary files is full. {ADVICE}") from error
    finally:
        try:
            shutil.rmtree(folder)
        except BaseException:
            # Interrupted halfway. Whoever interrupts still wants it gone.
            shutil.rmtree(folder, ignore_errors=True)
            raise


def remove_all_but(kept: Path) -> None:
    """Remove everything beside a file, which takes much longer than what is left to do with the file."""
    for path in kept.parent.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path != kept:
            path.unlink()
