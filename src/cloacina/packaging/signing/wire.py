"""The encoding that SSH keys and signatures are made of: numbers, and strings with their length in front.

Source: RFC 4251, section 5.
"""

from __future__ import annotations

_NUMBER_BYTES = 4
_SIGN_BIT = 0x80


class WireError(ValueError):
    """Raised when bytes are not what the encoding says should be there; whoever reads them says what that means."""


class WireReader:
    """Reads one value after the other.

    Args:
        data: The bytes to read.

    Example:
        ```python
        from cloacina.packaging.signing.wire import WireReader, wire_number, wire_string

        reader = WireReader(wire_string(b"ssh-ed25519") + wire_number(1))
        print(reader.string(), reader.number())
        #> b'ssh-ed25519' 1
        reader.end()
        ```
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return so many bytes.

        Raises:
            WireError: Fewer are left.
        """
        taken = self._data[self._at : self._at + size]
        if len(taken) != size:
            raise WireError(f"it breaks off: {size} bytes should follow, {len(taken)} do")
        self._at += size
        return taken

    def number(self) -> int:
        """Return an unsigned number of 32 bits."""
        return int.from_bytes(self.take(_NUMBER_BYTES), "big")

    def string(self) -> bytes:
        """Return the bytes of a string."""
        return self.take(self.number())

    def text(self) -> str:
        """Return a string that is a name, which is ASCII.

        Raises:
            WireError: It holds other bytes, or control characters.
        """
        data = self.string()
        if not data.isascii() or any(byte < 0x20 or byte == 0x7F for byte in data):  # noqa: PLR2004 - ASCII's controls
            raise WireError("a name in it is not plain ASCII")
        return data.decode("ascii")

    def positive_integer(self) -> int:
        """Return a whole number of any size in its only encoding.

        Raises:
            WireError: It is negative, zero, or has more leading zeros than it needs.
        """
        data = self.string()
        if not data.lstrip(b"\0") or data[0] & _SIGN_BIT:
            raise WireError("a number in it is not above zero")
        if data[0] == 0 and not data[1] & _SIGN_BIT:
            raise WireError("a number in it has leading zeros")
        return int.from_bytes(data, "big")

    def end(self) -> None:
        """Make sure that nothing is left.

        Raises:
            WireError: Bytes are left.
        """
        if left := len(self._data) - self._at:
            raise WireError(f"{left} bytes follow its end")


def wire_number(value: int) -> bytes:
    """Return an unsigned number of 32 bits, encoded."""
    return value.to_bytes(_NUMBER_BYTES, "big")


def wire_string(value: bytes) -> bytes:
    """Return bytes with their length in front."""
    return wire_number(len(value)) + value
