"""Where files may be in a package: the roots, what may be at their top, and what belongs to which target."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from cloacina.errors import ArchiveLimitExceeded, InvalidArchive, UnsafeArchive
from cloacina.packaging.archive.limits import MAX_CONTENTS_BYTES, MAX_FOLDERS, MAX_MANIFEST_BYTES, MAX_TEXT_BYTES
from cloacina.packaging.archive.names import PathRegistry, check_path
from cloacina.packaging.archive.standard_library import standard_library_names
from cloacina.packaging.archive.top_level import TopLevel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloacina.packaging.archive.contents import ContentsEntry
    from cloacina.packaging.manifest.models import Manifest

MANIFEST: Final = "manifest.json"
CONTENTS: Final = "CONTENTS"
FRAME: Final = {MANIFEST: MAX_MANIFEST_BYTES, CONTENTS: MAX_CONTENTS_BYTES}
"""The files that say what the others are, each with how large it may be."""

TEXTS: Final = ("provenance.json", "pylock.toml", "requirements.lock", "sbom.cdx.json")
"""The files beside the manifest that describe a Python package; each Python package has all of them."""

ANY: Final = "any"
"""The folder in vendor/ of files that are the same for every target."""

_SIGNATURE: Final = re.compile(r"signatures/[^/]+\.sshsig")
_ABI: Final = re.compile(r"cp3([0-9]{1,3})")
_BYTE_CODE: Final = (".pyc", ".pyo")


def is_signature_path(path: str) -> bool:
    """Tell whether a path is one of a signature: ``signatures/….sshsig``."""
    return _SIGNATURE.fullmatch(path) is not None


def target_folders(manifest: Manifest) -> dict[str, tuple[int, int]]:
    """Return the names of the folders in vendor/ that a package may have besides `any`, each with its Python.

    A binary interface that is not like ``cp311`` counts as Python 0.0, for which all names of modules are reserved.
    """
    folders: dict[str, tuple[int, int]] = {}
    for build in manifest.package.builds or ():
        match = _ABI.fullmatch(build.abi)
        folders[f"{build.platform}-{build.abi}"] = (3, int(match[1])) if match else (0, 0)
    return folders


def check_layout(manifest: Manifest, entries: Iterable[ContentsEntry]) -> None:
    """Refuse files that are where no file may be, or that are not one file on every system.

    Args:
        manifest: The package's manifest.
        entries: All that CONTENTS lists, sorted.

    Raises:
        UnsafeArchive: A path is unsafe, two are one on some system, a folder is not part of the format, or a file would
            run by itself or hide a module.
        InvalidArchive: A file that the format asks for is missing, or is not where the format puts it.
        ArchiveLimitExceeded: A file that is read into memory is too large, or the folders are too many.
    """
    folders = target_folders(manifest)
    checker = _Checker(folders, is_python=manifest.language == "python")
    for entry in entries:
        checker.add(entry)
    checker.finish()


class _Checker:
    def __init__(self, folders: Mapping[str, tuple[int, int]], *, is_python: bool) -> None:
        self._is_python = is_python
        self._folders = folders
        self._texts: set[str] = set()
        self._paths = PathRegistry()
        self._any_paths = PathRegistry()
        # Sorted as they are, all files of `any` come before those of targets, whose names begin with later letters.
        self._merged_paths = {name: PathRegistry(below=self._any_paths) for name in folders}
        reserved = frozenset[str]()
        if is_python:
            reserved = reserved.union(*(standard_library_names(python) for python in folders.values() or [(0, 0)]))
        self._workflow = TopLevel("workflow", reserved)
        self._vendored = {
            ANY: TopLevel("vendor/any", reserved),
            **{name: TopLevel(f"vendor/{name}", standard_library_names(folders[name])) for name in folders},
        }
        self._copies: Counter[tuple[str, str, int]] = Counter()

    def add(self, entry: ContentsEntry) -> None:
        path = entry.path
        check_path(path)
        self._paths.add(path)
        if self._paths.folder_count > MAX_FOLDERS:
            raise ArchiveLimitExceeded(f"CONTENTS names more than {MAX_FOLDERS:,} folders, which a package may hold.")
        root, _, rest = path.partition("/")
        if root in {"workflow", "vendor"} and rest:
            if path.casefold().endswith(_BYTE_CODE):
                raise UnsafeArchive(
                    f"{path!a} is byte code, which nobody can read before it runs. Pack the source only."
                )
            if root == "workflow":
                self._workflow.add(path, rest)
            else:
                self._add_vendored(entry, *rest.partition("/")[::2])
        elif path in TEXTS:
            self._texts.add(path)
            _check_text(entry)
        elif path in {MANIFEST, CONTENTS} or root == "signatures":
            raise InvalidArchive(
                f"CONTENTS lists {path!a}, which it may not: a package's files are listed, not its frame."
            )
        else:
            raise UnsafeArchive(
                f"{path!a} is outside of what a package holds: workflow/, vendor/, signatures/, {MANIFEST}, {CONTENTS},"
                f" {', '.join(TEXTS)}."
            )

    def _add_vendored(self, entry: ContentsEntry, folder: str, rest: str) -> None:
        if not rest or (folder != ANY and folder not in self._folders):
            known = ", ".join(f"vendor/{name}" for name in (ANY, *self._folders))
            raise UnsafeArchive(f"{entry.path!a} belongs to no target of the package; its folders are {known}.")
        if folder == ANY:
            self._any_paths.add(rest)
        else:
            self._merged_paths[folder].add(rest)
            self._copies[rest, entry.sha256, entry.mode] += 1
        self._vendored[folder].add(entry.path, rest)

    def finish(self) -> None:
        """Look at what can only be seen once all files are known."""
        if self._is_python and (missing := sorted(set(TEXTS) - self._texts)):
            raise InvalidArchive(f"The package has no {' and no '.join(missing)}; each Python package has.")
        for tree in self._vendored.values():
            self._workflow.refuse_hiding(tree)
        if len(self._folders) == 1 and not self._vendored[ANY].is_empty:
            raise InvalidArchive("The package is for one target and has vendor/any; its files belong to that target.")
        if len(self._folders) > 1:
            for (rest, _, _), count in self._copies.items():
                if count == len(self._folders):
                    raise InvalidArchive(f"{rest!a} is the same for every target; it belongs into vendor/any.")


def _check_text(entry: ContentsEntry) -> None:
    if entry.size > MAX_TEXT_BYTES:
        raise ArchiveLimitExceeded(
            f"{entry.path} has {entry.size:,} bytes; as it is read into memory it may have {MAX_TEXT_BYTES:,}."
        )
    if entry.mode != 0o644:  # noqa: PLR2004 - the octal number is the clearest name of a mode
        raise InvalidArchive(f"{entry.path} has the mode {entry.mode:04o}; expected 0644.")
