"""Errors of the command line."""

from __future__ import annotations

from cloacina.errors.base import CloacinaError


class CommandError(CloacinaError):
    """The base of errors of the command line."""

    code = "CLO-1500"
    cause = "A command was given arguments that it cannot work with."


class FileNotLoadable(CommandError):
    """Raised when the file or module given to `cloacina run` cannot be imported."""

    code = "CLO-1501"
    cause = "It does not exist, is not Python, or raised while it was imported."
    mend = "Correct the path, or the error that the message shows."


class WorkflowNotFound(CommandError):
    """Raised when the file given to `cloacina run` does not hold the workflow asked for."""

    code = "CLO-1502"
    cause = "The file holds no workflow, several of which none was named, or none of that name."
    mend = "Name one: cloacina run FILE:workflow."


class InvalidJSONArgument(CommandError):
    """Raised when JSON on the command line cannot be read, or `--context` is no JSON object."""

    code = "CLO-1503"
    cause = "JSON is given as text, or as @ and the path of a file that holds it, as UTF-8; @- is standard input."
    mend = 'Quote it for the shell: --context \'{"key": "value"}\'. A text has quotes of its own: \'"tea"\'.'


class UnknownErrorCode(CommandError):
    """Raised when `cloacina explain` is given a code that does not exist."""

    code = "CLO-1504"
    cause = "No error has that code."
    mend = "Codes look like CLO-1203; the reference lists all of them."
