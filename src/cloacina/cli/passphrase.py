"""Ask for the passphrase of a private key: at the terminal, never on the command line."""

from __future__ import annotations

import os
import warnings
from functools import partial
from getpass import GetPassWarning, getpass
from typing import TYPE_CHECKING

from cloacina.errors import InvalidSigningKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def passphrase_of(key: Path) -> Callable[[], str]:
    """Return a function that returns the passphrase of a key: the variable's, or else what is typed at the terminal.

    It is for `cloacina.packaging.signing.load_private_key`, which calls it only if the key has a passphrase.
    """
    return partial(_ask, key)


def _ask(key: Path) -> str:
    from cloacina.packaging.signing import PASSPHRASE_VARIABLE  # noqa: PLC0415 - not needed by other commands

    if given := os.environ.get(PASSPHRASE_VARIABLE):
        return given
    try:
        with warnings.catch_warnings():
            # Where there is no terminal, getpass would show what is typed, or take it from a pipe.
            warnings.simplefilter("error", GetPassWarning)
            return getpass(f"Passphrase of {key}: ")
    except EOFError:
        return ""
    except (GetPassWarning, OSError):
        raise InvalidSigningKey(
            f"The key {key} is protected by a passphrase, and there is no terminal to ask for it; "
            f"set {PASSPHRASE_VARIABLE}."
        ) from None
