"""Every error has a code, says when it is raised, why, and what to do, and survives a trip between processes."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

import cloacina.errors
from cloacina.errors import (
    DOCUMENTATION_URL,
    CloacinaError,
    ConditionError,
    ExecutionCancelled,
    ExecutionFailed,
    PackageError,
    TaskCancelled,
    WaitTimeout,
    documentation_url,
    error_classes,
    errors_by_code,
    join_names,
)

CLASSES = list(error_classes())
ERRORS = [kind for kind in CLASSES if issubclass(kind, CloacinaError)]
every_class = pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
every_error = pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)


def test_every_exception_of_the_module_is_in_the_tree() -> None:
    defined = {
        value
        for value in vars(cloacina.errors).values()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    assert set(CLASSES) == defined


def test_the_drawing_of_the_tree_shows_every_error_under_its_base() -> None:
    drawing = cloacina.errors.__doc__ or ""
    assert len(CLASSES) > 40
    drawn: dict[str, str] = {}
    base = ""
    for line in drawing.splitlines():
        if branch := re.match(r"\s+[├└]── (\w+)\s+(.*)", line):
            base, names = branch.groups()
        elif base and ("│ " in line or "·" in line):
            names = line.replace("│", "")
        else:
            continue
        drawn |= {name.strip(): base for name in names.split("·")}
    leaves = {kind.__name__: kind.__bases__[0].__name__ for kind in ERRORS if kind not in _bases()}
    assert drawn == leaves


def _bases() -> set[type[BaseException]]:
    return {base for kind in ERRORS for base in kind.__bases__ if base is not Exception}


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in CLASSES]
    assert sorted(set(codes)) == sorted(codes)


def test_errors_by_code_finds_each_in_order() -> None:
    found = errors_by_code()
    assert list(found) == sorted(found)
    assert set(found.values()) == set(CLASSES)
    assert found["CLO-1203"] is ConditionError


def test_somebody_elses_subclass_is_not_listed() -> None:
    class OurError(WaitTimeout):
        """Raised by the application."""

    assert OurError not in set(error_classes())
    assert errors_by_code()["CLO-1204"] is WaitTimeout


@every_class
def test_every_error_is_documented(kind: type[CloacinaError | TaskCancelled]) -> None:
    assert re.fullmatch(r"CLO-\d{4}", kind.code)
    assert "code" in vars(kind), "an inherited code would name another error"
    assert "cause" in vars(kind), "an inherited cause would explain another error"
    for text in (kind.cause, kind.mend):
        assert text.endswith("."), f"{kind.__name__}: {text!r} is no sentence"
    first_line = (kind.__doc__ or "").splitlines()[0]
    assert first_line.startswith("The base of " if kind in _bases() else "Raised ")
    assert first_line.endswith((".", "(`__cause__`)."))


@every_class
def test_every_code_lies_in_the_range_of_its_base(kind: type[CloacinaError | TaskCancelled]) -> None:
    ranges = {
        "ContextError": "CLO-10",
        "DefinitionError": "CLO-11",
        "HandleError": "CLO-12",
        "TaskCancelled": "CLO-12",
        "ExecutionError": "CLO-13",
        "StoreError": "CLO-14",
        "CommandError": "CLO-15",
        "ProjectError": "CLO-21",
        "DependencyError": "CLO-22",
        "BuildError": "CLO-23",
        "ArchiveError": "CLO-24",
        "SignatureError": "CLO-25",
        "PackageError": "CLO-2000",
        "CloacinaError": "CLO-1000",
    }
    base = next(base.__name__ for base in kind.__mro__ if base.__name__ in ranges)
    assert kind.code.startswith(ranges[base])


@every_error
def test_the_text_ends_with_the_code_and_the_link(kind: type[CloacinaError]) -> None:
    error = kind("What was found, what was expected, what to do.")
    page = "package-errors" if issubclass(kind, PackageError) else "errors"
    link = f"{DOCUMENTATION_URL}/reference/{page}/#{kind.code.lower()}"
    assert str(error) == f"What was found, what was expected, what to do. [{kind.code}] {link}"
    assert error.message == "What was found, what was expected, what to do."
    assert documentation_url(kind.code) == link


@every_error
@pytest.mark.parametrize("travel", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_every_error_survives_copying_and_pickling(kind: type[CloacinaError], travel: object) -> None:
    error = kind("It went wrong.")
    error.add_note("while testing")
    error.task_id = "fetch"  # type: ignore[attr-defined]
    assert callable(travel)
    other = travel(error)
    assert type(other) is kind
    assert other is not error
    assert (str(other), other.args) == (str(error), error.args)
    assert vars(other) == vars(error)
    assert other.__notes__ == ["while testing"]


@pytest.mark.parametrize("kind", [ExecutionFailed, ExecutionCancelled])
def test_an_unsuccessful_execution_carries_its_result_along(
    kind: type[ExecutionFailed | ExecutionCancelled],
) -> None:
    error = kind("It ended.", {"id": 7})
    assert error.result == {"id": 7}
    assert pickle.loads(pickle.dumps(error)).result == {"id": 7}


def test_a_cancellation_is_not_an_exception_that_user_code_swallows() -> None:
    assert not issubclass(TaskCancelled, Exception)
    assert issubclass(TaskCancelled, BaseException)


def test_names_are_quoted_and_their_absence_is_said() -> None:
    assert join_names(["a", "b"]) == "'a', 'b'"
    assert join_names([]) == "none"
