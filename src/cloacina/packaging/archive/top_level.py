"""What may be at the top of a folder that a worker imports from."""

from __future__ import annotations

from typing import Final

from cloacina.errors import UnsafeArchive
from cloacina.packaging.archive.names import fold

_CUSTOMIZE: Final = frozenset({"sitecustomize", "usercustomize"})
_MODULE_SUFFIXES: Final = (".py", ".pyw", ".so", ".pyd")


class TopLevel:
    """The modules and packages at the top of one folder of a package.

    Args:
        folder: What the folder is called in messages.
        reserved: Names that nothing in it may have.
    """

    def __init__(self, folder: str, reserved: frozenset[str]) -> None:
        self._folder = folder
        self._reserved = frozenset(fold(name) for name in reserved)
        self._seen: set[str] = set()
        # Name, as it is compared: whether it is a module or a package with __init__, which hides others of its name.
        self._modules: dict[str, bool] = {}

    @property
    def is_empty(self) -> bool:
        """Whether no file was added."""
        return not self._seen

    def add(self, path: str, rest: str) -> None:
        """Add a file.

        Args:
            path: Its path in the archive.
            rest: Its path in the folder.

        Raises:
            UnsafeArchive: It would run by itself when Python starts, or hide a module of Python or Cloacina.
        """
        top, _, inner = rest.partition("/")
        if top not in self._seen or not inner:
            self._seen.add(top)
            self._check(path, top, is_folder=bool(inner))
        if not inner:
            if fold(top).endswith(_MODULE_SUFFIXES):
                self._modules[_stem(top)] = True
        elif inner.endswith(_MODULE_SUFFIXES) and not self._modules.get(fold(top)):
            self._modules[fold(top)] = inner.startswith("__init__.")

    def refuse_hiding(self, other: TopLevel) -> None:
        """Refuse a module that hides one of the same name in a folder that is searched later.

        Packages without an __init__ are merged by Python, and hide nothing.

        Raises:
            UnsafeArchive: There is such a module.
        """
        for name in sorted(self._modules.keys() & other._modules.keys()):
            if self._modules[name] or other._modules[name]:
                raise UnsafeArchive(
                    f"The module {name!a} is in {self._folder} and in {other._folder}, and one hides the other. Rename"
                    " the one in the project."
                )

    def _check(self, path: str, top: str, *, is_folder: bool) -> None:
        folded = fold(top)
        if not is_folder and folded.endswith(".pth"):
            raise UnsafeArchive(f"{path!a} is a file whose lines Python runs when it starts. A package may have none.")
        if not is_folder and not folded.endswith(_MODULE_SUFFIXES):
            return
        name = folded if is_folder else _stem(top)
        if name in _CUSTOMIZE:
            raise UnsafeArchive(f"{path!a} is a module that Python runs when it starts. A package may have none.")
        if name == "cloacina":
            raise UnsafeArchive(f"{path!a} hides cloacina, which is supplied by who runs the package.")
        if name in self._reserved:
            raise UnsafeArchive(f"{path!a} hides the module {name} of the standard library. Rename it.")


def _stem(file_name: str) -> str:
    """Return the name under which a file is imported: `a` for a.py and for a.cpython-311-x86_64-linux-gnu.so."""
    return fold(file_name).split(".", 1)[0]
