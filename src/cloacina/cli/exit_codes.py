"""What the command line's exit codes mean. They are part of the public interface."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from cloacina.errors import (
    ArchiveError,
    CloacinaError,
    DependencyError,
    ExecutionCancelled,
    ExecutionEnded,
    ExecutionError,
    InvalidAnswer,
    PackageError,
    QuestionClosed,
    SignatureError,
    StoreError,
    UnknownExecution,
    UnknownQuestion,
    UnknownWorkflow,
)


class ExitCode(IntEnum):
    """The exit code of `cloacina`; each member's `meaning` is what `cloacina --help` shows."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        """Make a member of its number and its meaning."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.__doc__ = member.meaning = meaning
        return member

    OK = 0, "what was asked for is done; an execution completed, or serving was stopped"
    FAILED = 1, "the execution failed"
    USAGE = 2, "wrong usage or input: nothing was done"
    STORE = 3, "the database cannot be opened, read or written"
    CANCELLED = 4, "the execution was cancelled by someone else"
    PROJECT = 5, "the project cannot be made a package: its settings, its source, its tasks"
    DEPENDENCIES = 6, "the dependencies cannot be locked or packaged: uv, the network, a missing wheel"
    PACKAGE = 7, "the package is not valid, was changed, or lacks what was asked for"
    SIGNATURE = 8, "the signature is missing, not valid or not trusted"
    DEFECT = 70, "a defect in Cloacina itself; the traceback is shown"
    INTERRUPTED = 130, "interrupted by Ctrl+C; an execution stays as it is stored, a package is not written"
    OUTPUT_CLOSED = 141, "nobody reads the output any more; an execution stays as it is stored"
    TERMINATED = 143, "asked to end by SIGTERM; an execution stays as it is stored, a package is not written"


# What was asked for is refused, and says nothing about how an execution went.
_REFUSED_REQUESTS = (
    ExecutionEnded,
    InvalidAnswer,
    QuestionClosed,
    UnknownExecution,
    UnknownQuestion,
    UnknownWorkflow,
)
# The first that fits stands.
_PACKAGE_CODES = {
    DependencyError: ExitCode.DEPENDENCIES,
    ArchiveError: ExitCode.PACKAGE,
    SignatureError: ExitCode.SIGNATURE,
    PackageError: ExitCode.PROJECT,
}


def exit_code_of(error: CloacinaError) -> ExitCode:
    """Return the exit code for an error that ends a command."""
    if isinstance(error, StoreError):
        return ExitCode.STORE
    if isinstance(error, ExecutionCancelled):
        return ExitCode.CANCELLED
    if isinstance(error, ExecutionError) and not isinstance(error, _REFUSED_REQUESTS):
        return ExitCode.FAILED
    for kind, code in _PACKAGE_CODES.items():
        if isinstance(error, kind):
            return code
    return ExitCode.USAGE
