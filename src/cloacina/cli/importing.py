"""Importing what holds the workflow: a file as a script is imported, one of a package and a module as by `python -m`.

Whatever it is, a child process that `multiprocessing` spawns can import it by the name that it has here: all that such
a process is given is `sys.path`.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cloacina.errors import DefinitionError, FileNotLoadable, join_names
from cloacina.membrane import describe

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import ModuleType

_PACKAGE = ".cloacina"
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_MOST_SHOWN = 3
_EXPECTED = "expected FILE or FILE:workflow, where FILE is a Python file"
_STAND_IN = """\
import importlib.util
import sys

spec = importlib.util.spec_from_file_location(__name__, {path!r})
sys.modules[__name__] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""


def import_target(path: Path) -> ModuleType:
    """Import a file, or the module that is named so.

    Raises:
        FileNotLoadable: There is none, it is not Python, or it raised while it was imported.
        DefinitionError: It declares a workflow that cannot run.
    """
    if not exists(path):
        if path.suffix != ".py" and _MODULE.fullmatch(str(path)):
            return _import_module(str(path), Path.cwd())
        raise FileNotLoadable(f"There is no file {path}; {_EXPECTED}.")
    _refuse_other_kinds(path)
    path = path.resolve()
    in_package = _place_in_package(path)
    return _import_file(path) if in_package is None else _import_module(in_package[1], in_package[0], path)


def exists(path: str | Path) -> bool:
    """Return whether there is a file or folder; no if nobody may look, or no file can have such a name."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists() raises then.


def _refuse_other_kinds(path: Path) -> None:
    if path.is_dir():
        files = sorted(file.name for file in path.glob("*.py"))[:_MOST_SHOWN]
        inside = f", such as {join_names(files)} in it" if files else ""
        raise FileNotLoadable(f"{path} is a folder; expected a Python file{inside}.")
    if path.suffix == ".py":
        return
    if path.suffix == _PACKAGE or _starts_with(path, _ZSTANDARD):
        raise FileNotLoadable(
            f"{path.name} is a package; expected a Python file. Running packages comes later: `cloacina inspect` shows"
            " what is in it, and `cloacina extract` writes its files into a folder."
        )
    if path.suffix == ".ipynb":
        raise FileNotLoadable(
            f"{path.name} is a notebook; expected a Python file. `jupyter nbconvert --to script` makes one of it."
        )
    raise FileNotLoadable(f"{path.name} is not a Python file: its name has to end in .py.")


def _starts_with(path: Path, beginning: bytes) -> bool:
    if not path.is_file():  # A pipe may have nothing to read yet.
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(beginning)) == beginning
    except OSError:
        return False


def _place_in_package(path: Path) -> tuple[Path, str] | None:
    """Return the folder that a file's package is in, and the name of the module; None for a file that is in none."""
    root, names = path.parent, [path.stem]
    while (root / "__init__.py").is_file():
        names.append(root.name)
        root = root.parent
    if len(names) == 1 or not all(name.isidentifier() for name in names):
        return None
    package = root / names[-1]
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    found = sys.modules.get(package.name) or importlib.util.find_spec(package.name)
    places = getattr(found, "__path__", None) or getattr(found, "submodule_search_locations", None)
    sys.path.remove(str(root))
    if str(package) not in (places or ()):
        return None  # Another package of that name is there already.
    return root, ".".join(reversed(names if path.stem != "__init__" else names[1:]))


def _import_module(name: str, root: Path, path: Path | None = None) -> ModuleType:
    sys.path.insert(0, str(root))
    if path is not None:
        # For a file that imports its neighbours as a script does; last, so that none takes the place of another module.
        sys.path.append(str(path.parent))
    with _as_refusals(path, root):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
            raise FileNotLoadable(
                f"There is no file {name}, and no module of that name; {_EXPECTED} or a module."
            ) from error


def _import_file(path: Path) -> ModuleType:
    name = path.stem
    is_taken = name in sys.modules or name in sys.stdlib_module_names
    # Behind all others, a file called json.py takes the place of no module, neither here nor in a child process.
    sys.path.insert(len(sys.path) if is_taken else 0, str(path.parent))
    if is_taken or "." in name:
        name = _importable_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotLoadable(f"{path.name} is not a Python file: its name has to end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with _as_refusals(path, path.parent):
        spec.loader.exec_module(module)
    return module


def _importable_name(path: Path) -> str:
    """Return a name for a file that cannot be imported by its own, as flow.v2.py and json.py; and let it be found."""
    name = re.sub(r"\W", "_", path.stem)
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        name += "_run_by_cloacina"
    folder = tempfile.mkdtemp(prefix="cloacina-")
    atexit.register(_remove, folder, os.getpid())
    Path(folder, f"{name}.py").write_text(_STAND_IN.format(path=str(path)), encoding="utf-8")
    sys.path.append(folder)
    return name


def _remove(folder: str, process: int) -> None:
    if os.getpid() == process:  # And not in a child that was forked.
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _as_refusals(path: Path | None, root: Path) -> Generator[None]:
    """Tell what an import raises in one line, with the place in the user's own code."""
    try:
        yield
    except (BrokenPipeError, FileNotLoadable, KeyboardInterrupt):
        raise  # The file printed something, and nobody reads it; or all is said.
    except DefinitionError as error:
        error.message = f"{_place(error, path, root)}: {error.message}"
        raise
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        name = Path(error.filename).name if error.filename else _place(error, path, root)
        raise FileNotLoadable(f"{name}{line} is not valid Python: {error.msg}.") from error
    except SystemExit as error:
        raise FileNotLoadable(
            f"{_place(error, path, root)} calls sys.exit() while it is imported; put it under"
            " `if __name__ == '__main__':`."
        ) from error
    except BaseException as error:
        raised = " ".join(describe(error).split())
        message = f"{_place(error, path, root)} raised while it was imported: {raised}."
        if path is not None and isinstance(error, ImportError) and "no known parent package" in raised:
            message += (
                f" {path.parent.name} has no __init__.py, so the file is imported as a script is. Run it as a module,"
                f" from the folder above: cloacina run {path.parent.name}.{path.stem}"
            )
        raise FileNotLoadable(message) from error


def _place(error: BaseException, path: Path | None, root: Path) -> str:
    """Return the innermost line of the user's own file that was running."""
    frames = traceback.extract_tb(error.__traceback__)
    if path is not None:
        own = [frame for frame in frames if frame.filename == str(path)]
    else:
        inside = [(frame, Path(frame.filename)) for frame in frames]
        own = [frame for frame, file in inside if file.is_relative_to(root) and "site-packages" not in file.parts]
    if own:
        return f"{Path(own[-1].filename).name}, line {own[-1].lineno}"
    return "the module" if path is None else path.name
