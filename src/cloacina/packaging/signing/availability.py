"""Whether the libraries behind signatures are installed; they come with an extra, as most runners need none of them."""

from __future__ import annotations

from importlib import import_module

from cloacina.errors import SigningUnavailable

_INSTALL = "install it with: pip install 'cloacina[signing]'"


def require_cryptography(purpose: str) -> None:
    """Make sure that signatures can be computed.

    Args:
        purpose: What it is needed for, as the message says it: `to sign a package`.

    Raises:
        SigningUnavailable: cryptography is not installed.
    """
    try:
        import_module("cryptography")
    except ImportError:
        raise SigningUnavailable(
            f"The library cryptography is needed {purpose}, and is not installed; {_INSTALL}."
        ) from None


def require_bcrypt() -> None:
    """Make sure that a private key with a passphrase can be read.

    Raises:
        SigningUnavailable: bcrypt is not installed.
    """
    try:
        import_module("bcrypt")
    except ImportError:
        raise SigningUnavailable(
            "The library bcrypt is needed to read a private key that has a passphrase, and is not installed; "
            f"{_INSTALL}."
        ) from None
