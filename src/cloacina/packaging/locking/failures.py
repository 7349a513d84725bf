"""Every failure of uv becomes one error, which says what was found and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from cloacina.errors import (
    CloacinaError,
    DependencyNotFound,
    DependencyNotPackageable,
    HashMismatch,
    InvalidProject,
    MissingWheels,
    NetworkUnavailable,
    StaleLock,
    UnsatisfiableDependencies,
    UvFailed,
    join_names,
)
from cloacina.packaging.locking.network_failures import explain_network, is_network_failure
from cloacina.packaging.locking.report import UvReport, read_report
from cloacina.packaging.locking.scrubbing import scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_NOT_FOUND: Final = re.compile(
    rf"({_NAME})(?:\[[^\]]*\])? was not found in the (?:package registry|provided package loc)"
)
_NOT_CACHED: Final = re.compile(rf"({_NAME})(?:\[[^\]]*\])? was not found in the cache")
_REQUIREMENT: Final = re.compile(rf"`(?P<name>{_NAME})(?:==(?P<version>[^`\s]+))?(?P<direct> @ (?P<address>[^`]+))?`")
# Between the place in a TOML file and what is wrong there, uv draws the line and an arrow.
_TOML_EXCERPT: Final = re.compile(r"(?<=\d) \|.*?\^+ ")
# uv resolves for ranges of Pythons and platforms apart where it has to.
_SPLIT: Final = re.compile(r"for split \(markers: (?P<markers>.+)\)")
_LONGEST: Final = 1_500


@dataclass(frozen=True, slots=True)
class _Failure:
    """What is known about one failure of uv: its report, scrubbed, and as it was printed."""

    report: UvReport
    raw: UvReport
    folder: Path

    @property
    def reason(self) -> str:
        """What uv says, without its first sentence where that says nothing of its own."""
        has_own_words = not self.report.error.startswith("No solution found") or not self.report.causes
        parts = (self.report.error, *self.report.causes) if has_own_words else self.report.causes
        return _shorten(": ".join(_TOML_EXCERPT.sub(": ", part.rstrip(".:")) for part in parts))

    @property
    def is_of_project(self) -> bool:
        """Whether uv has failed to build the project itself, to learn what it depends on."""
        match = _REQUIREMENT.search(self.raw.error)
        if match is None or match["address"] is None:
            return False
        path = unquote(match["address"]).rstrip("/")
        folders = (self.folder.as_posix(), self.folder.resolve().as_posix())
        return path.startswith("file:") and path.endswith(folders)


def error_of(output: str, *, exit_code: int, folder: Path, addresses: Iterable[str] = ()) -> CloacinaError:
    """Return the error that a failure of uv means.

    Args:
        output: What uv has written to standard error.
        exit_code: What it ended with; below 0 the number of the signal that ended it.
        folder: The folder that it ran in.
        addresses: The indexes it was told to use; no part of them gets into the message.
    """
    failure = _Failure(read_report(scrub(output, folder=folder, addresses=addresses)), read_report(output), folder)
    text = failure.report.text
    for pattern, make in _RULES:
        if pattern.search(text):
            return make(failure)
    if is_network_failure(text):
        return _network(failure)
    for pattern, make in _RULES_OF_RESOLVING:
        if pattern.search(text):
            return make(failure)
    if exit_code < 0:
        return UvFailed(f"uv was ended by signal {-exit_code}. Run the command again")
    hint = f" ({'; '.join(failure.report.hints)})" if failure.report.hints else ""
    return UvFailed(f"uv ended with exit code {exit_code}: {failure.reason or 'it printed nothing'}{_shorten(hint)}")


def _hash_mismatch(failure: _Failure) -> CloacinaError:
    which = _requirement(failure.report.text) or "a dependency"
    return HashMismatch(
        f"The wheel of {which} that the index or the cache has is not the one that was locked: its hash differs."
        f" Find out why it was changed; if that is in order, lock again with `cloacina lock --upgrade`"
    )


def _damaged(failure: _Failure) -> CloacinaError:
    which = _requirement(failure.report.text) or "a dependency"
    return HashMismatch(
        f"The file of {which} that the index or the cache has is damaged: {failure.reason}. Remove it from the cache"
        f" with `uv cache clean`, and try again"
    )


def _missing_hash(failure: _Failure) -> CloacinaError:
    which = failure.report.text.partition("none were provided for: ")[2].splitlines()
    return HashMismatch(
        f"The lock has no hash of {which[0] if which else 'a dependency'}, so nobody could tell whether the wheel is"
        f" the one that was locked. Use an index that gives hashes"
    )


def _stale(_: _Failure) -> CloacinaError:
    return StaleLock("uv.lock does not fit pyproject.toml. Run `cloacina lock`, look at the change, and try again")


def _no_lock(_: _Failure) -> CloacinaError:
    return StaleLock("There is no uv.lock, and none may be written here. Run `cloacina lock`, and commit uv.lock")


def _unreadable_lock(failure: _Failure) -> CloacinaError:
    newer = re.search(r"unsupported schema version \(([^,)]+)", failure.report.text)
    if newer is not None:
        return StaleLock(
            f"uv.lock is of a newer format ({newer[1]}) than the installed uv reads. Install the uv that wrote it, or"
            f" delete uv.lock and run `cloacina lock`"
        )
    return StaleLock(
        f"uv.lock cannot be read: {failure.reason}. Restore it from version control, or delete it and run"
        f" `cloacina lock`"
    )


def _invalid_project(failure: _Failure) -> CloacinaError:
    return InvalidProject(f"uv cannot read pyproject.toml: {failure.reason}. Correct it there")


def _no_python(failure: _Failure) -> CloacinaError:
    return UvFailed(
        f"uv needs a Python that the project's requires-python and its file .python-version allow, to find its"
        f" dependencies, and has none: {failure.reason}. Install one, for example with `uv python install`, or name"
        f" one with UV_PYTHON"
    )


def _disk_full(failure: _Failure) -> CloacinaError:
    return UvFailed(f"The disk is full: {failure.reason}. Make room, for example with `uv cache prune`, and try again")


def _not_writable(failure: _Failure) -> CloacinaError:
    return UvFailed(
        f"uv may not write where it has to: {failure.reason}. Check the permissions of the project's folder and of"
        f" uv's cache; UV_CACHE_DIR names another folder for the cache"
    )


def _cache_locked(failure: _Failure) -> CloacinaError:
    return UvFailed(
        f"Another uv holds a lock that this one has waited for: {failure.reason}. Wait until it has ended and try"
        f" again, or wait longer with UV_LOCK_TIMEOUT (seconds)"
    )


def _network(failure: _Failure) -> CloacinaError:
    direct = _direct_requirement(failure)
    if direct is not None and not failure.is_of_project:
        return direct
    return NetworkUnavailable(explain_network(failure.report, failure.raw))


def _offline(failure: _Failure) -> CloacinaError:
    names = sorted(set(_NOT_CACHED.findall(failure.report.text)))
    which = join_names(names) if names else f"The wheel of {_requirement(failure.report.text) or 'a dependency'}"
    return NetworkUnavailable(
        f"{which} is not in uv's cache, and the network may not be used (--offline or UV_OFFLINE). Do the same once"
        f" with network; it works offline after that"
    )


def _build_failed(failure: _Failure) -> CloacinaError:
    if failure.is_of_project:
        return InvalidProject(
            f"uv has to build the project to learn what it depends on, and that fails: {failure.reason}. Write"
            f" `dependencies` and `version` out in pyproject.toml [project], each requirement as PEP 508 has it"
        )
    direct = _direct_requirement(failure)
    if direct is not None:
        return direct
    match = _REQUIREMENT.search(failure.report.error)
    name, version = (match["name"], match["version"] or "") if match is not None else ("a dependency", "")
    shown = f"{name} {version}".strip()
    return MissingWheels(
        f"The index has {shown} as source only, and it cannot be built even to learn what it depends on:"
        f" {failure.reason}. Packages are made of wheels: choose a version that has one, or build the wheel and"
        f" publish it to an index",
        ((name, version, "", "source only"),),
    )


def _no_wheel(failure: _Failure) -> CloacinaError:
    hints = " ".join(f"{hint.rstrip('.')}." for hint in failure.report.hints)
    gaps = re.findall(rf"({_NAME})==(\S+) has no (?:usable )?wheels", failure.report.text)
    return MissingWheels(
        f"A dependency has no wheel for the target: {failure.reason}. {hints} Choose a version that has one, or leave"
        f" the target out".replace("  ", " "),
        tuple((name, version, "", "no wheel") for name, version in dict.fromkeys(gaps)),
    )


def _not_found(failure: _Failure) -> CloacinaError:
    names = sorted(set(_NOT_FOUND.findall(failure.report.text)))
    return DependencyNotFound(
        f"The index knows no package named {join_names(names)}. uv says: {failure.reason}. Correct the name, or"
        f" configure the index that has it: [[tool.uv.index]] in pyproject.toml"
    )


def _unsatisfiable(failure: _Failure) -> CloacinaError:
    hints = " ".join(f"{hint.rstrip('.')}." for hint in failure.report.hints)
    split = _SPLIT.search(failure.report.error)
    where = f" where {split['markers']}" if split is not None else ""
    return UnsatisfiableDependencies(
        f"No set of versions satisfies all requirements{where}: {failure.reason}. {_shorten(hints)} Loosen one of these"
        f" requirements, or requires-python".replace("  ", " ")
    )


def _not_from_an_index(failure: _Failure) -> CloacinaError:
    return _direct_requirement(failure) or DependencyNotPackageable(
        f"A dependency that is given by a path or an address cannot be had: {failure.reason}. Use one that an index"
        f" has: [project] dependencies and [tool.uv.sources] in pyproject.toml say where each comes from"
    )


def _direct_requirement(failure: _Failure) -> CloacinaError | None:
    """Return the error of a requirement that names an address, if that is what uv has failed with."""
    match = _REQUIREMENT.search(failure.report.error)
    if match is None or match["direct"] is None:
        return None
    return DependencyNotPackageable(
        f"{match['name']} is required from a path, a repository or an address, and packages hold only what an index"
        f" has. Publish it to an index, or move its source into the project"
    )


def _requirement(text: str) -> str | None:
    match = _REQUIREMENT.search(text)
    return None if match is None else f"{match['name']} {match['version'] or ''}".strip()


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rsplit(' ', 1)[0]} …"


_Rules = tuple[tuple[re.Pattern[str], "Callable[[_Failure], CloacinaError]"], ...]


def _rules(*rules: tuple[str, Callable[[_Failure], CloacinaError]]) -> _Rules:
    return tuple((re.compile(pattern, re.IGNORECASE | re.MULTILINE), make) for pattern, make in rules)


# The first that fits stands, in both tables. What a failing disk, lock file or Python makes uv say may hold words of
# the rules after it, and what a failing network makes it say looks like a dependency that does not exist.
_RULES: Final = _rules(
    (r"^hash mismatch for", _hash_mismatch),
    (r"all requirements must have a hash, but none were provided", _missing_hash),
    (r"the lockfile at `uv\.lock` needs to be updated", _stale),
    (r"unable to find lockfile", _no_lock),
    (r"^failed to parse `uv\.lock`", _unreadable_lock),
    (r"^failed to parse: `?pyproject\.toml", _invalid_project),
    (r"no interpreter found|failed to inspect python interpreter|requested interpreter resolved to", _no_python),
    (r"no space left on device|disk quota exceeded|os error (?:28|122|112)\b", _disk_full),
    (r"timeout \(.*\) when waiting for lock", _cache_locked),
    (r"permission denied|read-only file system|failed to initialize cache|os error (?:13|30)\b", _not_writable),
    (r"^failed to extract archive|invalid zip file|^failed to read metadata", _damaged),
)
_RULES_OF_RESOLVING: Final = _rules(
    (r"was not found in the cache|network (?:connectivity )?(?:was|is) disabled", _offline),
    (r"^distribution not found at|^git operation failed", _not_from_an_index),
    (r"^failed to (?:download and )?build `", _build_failed),
    (r"has no (?:usable )?wheels|building from source is disabled", _no_wheel),
    (_NOT_FOUND.pattern, _not_found),
    (r"no solution found", _unsatisfiable),
)
