"""The SDK: the part of Cloacina that a package's process runs with, in a folder of its own.

A package brings its own dependencies, so its process sees nothing of the runner's. What a workflow is described with
(`Context`, `task`, `Workflow`, the handles, the errors) needs the standard library only; this makes a folder that holds
just that.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import cloacina

SDK_MODULES: Final = (
    "__init__.py",
    "cancellation.py",
    "canonical_json.py",
    "context.py",
    "errors",
    "graph.py",
    "handle.py",
    "json_mends.py",
    "large_json.py",
    "membrane",
    "on_cancel.py",
    "polling.py",
    "retry.py",
    "secret_fields.py",
    "signature.py",
    "source_snapshot.py",
    "source_tree.py",
    "source_version.py",
    "task.py",
    "waits.py",
    "workflow.py",
)
"""What the SDK is made of: the files and folders of the installed package that make up its lowest layer."""


def write_sdk(folder: Path) -> Path:
    """Write the SDK as the package `cloacina` into a folder.

    What it has not (`Runner`, `cloacina.testing`) cannot be imported from there.

    Args:
        folder: Where to put it. It is created if it does not exist, and must not hold `cloacina` yet.

    Returns:
        The folder, to be put on the module search path of a process that was started with `python -I -S`.

    Raises:
        OSError: The folder cannot be written.

    Example:
        ```python
        from pathlib import Path
        from tempfile import TemporaryDirectory

        from cloacina.packaging.isolated.sdk import write_sdk

        with TemporaryDirectory() as folder:
            sdk = write_sdk(Path(folder) / "sdk")
            names = {path.name for path in (sdk / "cloacina").iterdir()}
            print("task.py" in names, "runner.py" in names)
            #> True False
        ```
    """
    installed = Path(cloacina.__file__).parent
    package = folder / installed.name
    package.mkdir(parents=True)
    for name in SDK_MODULES:
        source = installed / name
        if source.is_dir():
            shutil.copytree(source, package / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, package / name)
    return folder
