"""Where a package may be written, looked at before a build does any work."""

from __future__ import annotations

import os

import pytest

from unprivileged import public_folder, run_unprivileged

CHECK_OUTPUT = (
    """
import sys
from pathlib import Path
from cloacina.errors import OutputNotWritable
from cloacina.packaging.building.output import check_output
""",
    """
try:
    check_output(Path(sys.argv[1], "figures-1.0.cloacina"))
except OutputNotWritable as error:
    print(error)
""",
)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
@pytest.mark.parametrize(("mode", "said"), [(0o555, "The folder {} is not writable"), (0o777, "")])
def test_a_read_only_folder_is_refused(mode: int, said: str) -> None:
    with public_folder() as folder:
        folder.chmod(mode)
        printed = run_unprivileged(*CHECK_OUTPUT, folder)
    assert printed.split(". Choose")[0] == said.format(folder)
