"""The base of every error, and the address of the page that explains it."""

from __future__ import annotations

from typing import Any, ClassVar

DOCUMENTATION_URL = "https://cloacina.example"
"""The address of the documentation site; the only place that holds it."""


def documentation_url(code: str) -> str:
    """Return the address of the reference entry of an error code."""
    page = "package-errors" if code.startswith("CLO-2") else "errors"
    return f"{DOCUMENTATION_URL}/reference/{page}/#{code.lower()}"


class CloacinaError(Exception):
    """The base of every error that Cloacina raises on purpose.

    Args:
        message: What was found, what was expected and what to do.

    Attributes:
        code: The stable code, such as ``CLO-1101``.
        cause: What brings this error about, in general.
        mend: What to do about it, in general.
        message: The message without the code and the link.
    """

    code: ClassVar[str] = "CLO-1000"
    cause: ClassVar[str] = "Cloacina refused or could not finish what it was asked for."
    mend: ClassVar[str] = "Read the message: it says what was found and what was expected."

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        # A class of the user's may have an `__init__` of its own, which leaves it without a message.
        message: object = getattr(self, "message", None)
        text = message if isinstance(message, str) else super().__str__()
        return f"{text} [{self.code}] {documentation_url(self.code)}"

    def __reduce__(self) -> tuple[Any, ...]:
        # The default rebuilds from args alone, which fails for subclasses that take more than a message.
        return (_rebuild, (type(self), self.args, self.__dict__))


def _rebuild(kind: type[CloacinaError], args: tuple[Any, ...], state: dict[str, Any]) -> CloacinaError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error
