"""Errors of the database layer."""

from __future__ import annotations

from cloacina.errors.base import CloacinaError


class StoreError(CloacinaError):
    """The base of errors of the database layer."""

    code = "CLO-1400"
    cause = "The database could not do what it was asked for."


class StoreUnavailable(StoreError):
    """Raised when the database cannot be opened."""

    code = "CLO-1401"
    cause = "The folder does not exist, the file is not writable, or the file is not a SQLite database."
    mend = "Correct the address of the database or the permissions of the file."


class StoreWriteFailed(StoreError):
    """Raised when a change could not be written, or stored as the error of the one execution whose changes they were.

    The database's error is the cause (`__cause__`).
    """

    code = "CLO-1402"
    cause = (
        "The disk is full, or the file was removed, changed or locked for too long: nothing can be written any more. "
        "Or the database refused changes of one execution, as when its rows were deleted: no other is affected."
    )
    mend = "Mend the storage and start the runner again: what was committed is kept. Submit what was refused again."


class UnsupportedDatabase(StoreError):
    """Raised when the address of the database names a kind that is not supported."""

    code = "CLO-1403"
    cause = "The address does not start with sqlite://."
    mend = "Use a path, or sqlite:///file.db (relative), sqlite:////folder/file.db (absolute) or sqlite:// (in memory)."


class StoreTooNew(StoreError):
    """Raised when the database was written by a newer version of Cloacina."""

    code = "CLO-1404"
    cause = "The database's schema has a revision that this version does not know."
    mend = "Use the newer version, or another database."
