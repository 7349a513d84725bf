"""Log lines that decide nothing: what handlers, filters and record factories of others raise costs at most the line."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from cloacina.membrane.tracebacks import traceback_of
from cloacina.membrane.words import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

_traceback: Final = vars(BaseException)["__traceback__"].__get__


class Log:
    """A logger whose methods never raise. They take what those of `logging.Logger` do; `exc_info` is an exception.

    A log line may also take long. So it comes last: after the state was changed, the change was queued for the store,
    and everyone who waits was woken.

    Args:
        name: The logger's name.
    """

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def debug(self, message: str, *args: Any, **options: Any) -> None:
        """Log what helps to find a defect of the engine's."""
        self._log(logging.DEBUG, message, args, **options)

    def info(self, message: str, *args: Any, **options: Any) -> None:
        """Log what happened."""
        self._log(logging.INFO, message, args, **options)

    def warning(self, message: str, *args: Any, **options: Any) -> None:
        """Log what somebody may have to look at."""
        self._log(logging.WARNING, message, args, **options)

    def error(self, message: str, *args: Any, **options: Any) -> None:
        """Log what has failed."""
        self._log(logging.ERROR, message, args, **options)

    def exception(self, message: str, *args: Any, **options: Any) -> None:
        """Log what has failed, with the exception that is being handled."""
        self._log(logging.ERROR, message, args, exc_info=sys.exception(), **options)

    def critical(self, message: str, *args: Any, **options: Any) -> None:
        """Log what ends the runner."""
        self._log(logging.CRITICAL, message, args, **options)

    def _log(
        self,
        level: int,
        message: str,
        args: tuple[Any, ...],
        exc_info: BaseException | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            logger = logging.getLogger(self._name)
            if not logger.isEnabledFor(level):
                return
            path, line, function, _ = logger.findCaller(stacklevel=3)
            told = None if exc_info is None else (type(exc_info), exc_info, _traceback(exc_info))
            record = logger.makeRecord(self._name, level, path, line, message, args, told, function)
            if exc_info is not None:
                record.exc_text = traceback_of(exc_info)
            # By hand: `extra` refuses what a record factory has set before, a usual way to have an attribute always.
            record.__dict__.update(extra or {})
            logger.handle(record)
        except BaseException as failure:  # noqa: BLE001 - of a handler, a filter, a factory or a class of the user's
            if logging.raiseExceptions:
                with suppress(BaseException):  # There is nobody else to tell.
                    sys.stderr.write(f"cloacina: logging {message!r} raised {describe(failure)!r}\n")
