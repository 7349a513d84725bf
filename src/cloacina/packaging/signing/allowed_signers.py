"""The file that says whose keys are trusted: OpenSSH's `allowed_signers`.

Source: ssh-keygen(1), ALLOWED SIGNERS. It is read as ssh-keygen reads it, with one difference: ssh-keygen passes over a
line that it does not need, whatever stands there; here every line has to be right, as a slip in a file that says whom
to trust should not wait for the day on which that line counts.
"""

from __future__ import annotations

import re
import time
from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloacina.errors import InvalidAllowedSigners
from cloacina.packaging.signing.patterns import matches_list
from cloacina.packaging.signing.public_key import UnsupportedKey, parse_public_key
from cloacina.packaging.signing.sshsig import NAMESPACE
from cloacina.packaging.signing.wire import WireError, WireReader

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 4 * 1024 * 1024
_BLANKS = " \t"
_KEY_TYPE = re.compile(r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]+")
_OPTION = re.compile(r'(?P<name>[A-Za-z-]+)(?:="(?P<value>(?:\\"|[^"])*+)")?')
_TIMESTAMP = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z|UTC)?", re.IGNORECASE | re.ASCII)
_TIMED = ("valid-after", "valid-before")


@dataclass(frozen=True, slots=True)
class AllowedSigner:
    """A line of the file.

    Attributes:
        line: Its number, from 1.
        principals: The list of patterns for who the key belongs to.
        key_blob: The key as SSH writes it.
        namespaces: The list of patterns for what the key may sign; None where it may sign everything.
        valid_after: The first second in which it is trusted, in seconds since 1970.
        valid_before: The last second in which it is trusted, in seconds since 1970.
        is_authority: Whether it is an authority that signs certificates, which Cloacina does not use.
    """

    line: int
    principals: str
    key_blob: bytes
    namespaces: str | None = None
    valid_after: int | None = None
    valid_before: int | None = None
    is_authority: bool = False

    def is_named(self, principal: str) -> bool:
        """Return whether the line is one for a principal."""
        return matches_list(principal, self.principals)

    def may_sign_packages(self) -> bool:
        """Return whether the line's namespaces include that of packages."""
        return self.namespaces is None or matches_list(NAMESPACE, self.namespaces)

    def why_not_at(self, now: datetime) -> str | None:
        """Return why the line does not hold at a time, or None if it does."""
        seconds = int(now.timestamp())
        if self.valid_after is not None and seconds < self.valid_after:
            return f"it is valid from {_show_time(self.valid_after)} on"
        if self.valid_before is not None and seconds > self.valid_before:
            return f"it was valid until {_show_time(self.valid_before)}"
        return None


def read_allowed_signers(path: Path) -> tuple[AllowedSigner, ...]:
    """Read a file of allowed signers.

    Raises:
        InvalidAllowedSigners: The file is missing or cannot be read, or a line of it is wrong; the message names it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise InvalidAllowedSigners(
            f"There is no file of allowed signers {path}; write one, with a line `you@example.com ssh-ed25519 AAAA…` "
            "for each key that you trust."
        ) from None
    except OSError as error:
        raise InvalidAllowedSigners(f"The file of allowed signers {path} cannot be read: {error.strerror}.") from None
    if len(data) > _LARGEST:
        raise InvalidAllowedSigners(f"{path} has more than {_LARGEST} bytes; expected a file of allowed signers.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidAllowedSigners(f"{path}:{line}: the line is not UTF-8 text.") from None
    return parse_allowed_signers(text, str(path))


def parse_allowed_signers(text: str, name: str = "allowed_signers") -> tuple[AllowedSigner, ...]:
    """Return the lines of a file of allowed signers.

    Args:
        text: What the file holds.
        name: The name of the file, for messages.

    Raises:
        InvalidAllowedSigners: A line is wrong.

    Example:
        ```python
        from cloacina.packaging.signing import parse_allowed_signers

        key = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
        (line,) = parse_allowed_signers(f'you@example.com valid-before="20300101Z" ssh-ed25519 {key}')
        print(line.principals, line.valid_before)
        #> you@example.com 1893456000
        ```
    """
    signers: list[AllowedSigner] = []
    # Only \n ends a line, as for ssh-keygen: other characters that Python takes for line ends could hide a line.
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.strip(_BLANKS + "\r")
        if not content or content.startswith("#"):
            continue
        try:
            signers.append(_parse_line(number, content))
        except _WrongLineError as wrong:
            raise InvalidAllowedSigners(
                f"{name}:{number}: {wrong}; expected PRINCIPALS [OPTIONS] KEYTYPE KEY, "
                "such as: you@example.com ssh-ed25519 AAAA…"
            ) from None
    return tuple(signers)


class _WrongLineError(ValueError):
    """Raised when a line is wrong; the message is what is wrong with it."""


def _parse_line(number: int, line: str) -> AllowedSigner:
    if any(character < " " and character != "\t" for character in line):
        raise _WrongLineError("it holds a control character")
    principals, rest = _split_principals(line)
    options, has_options = "", not _is_key_type(rest)
    if has_options:
        options, rest = _split_options(rest)
    fields = re.split(r"[ \t]+", rest, maxsplit=2)
    if len(fields) < 2 or not _is_key_type(rest):  # noqa: PLR2004 - the type and the key
        raise _WrongLineError("there is no key")
    given = _parse_options(options)
    times = {name: _parse_time(name, given[name]) for name in _TIMED if name in given}
    after, before = times.get("valid-after"), times.get("valid-before")
    if after is not None and before is not None and before <= after:
        raise _WrongLineError("valid-before is not later than valid-after")
    return AllowedSigner(
        number,
        principals,
        _parse_key(fields[0], fields[1]),
        given.get("namespaces"),
        after,
        before,
        "cert-authority" in given,
    )


def _split_principals(line: str) -> tuple[str, str]:
    if line.startswith('"'):
        principals, quote, rest = line[1:].partition('"')
        if not quote:
            raise _WrongLineError("the quotes around its principals are not closed")
    else:
        principals = re.split(r"[ \t]", line, maxsplit=1)[0]
        rest = line[len(principals) :]
        if '"' in principals:
            raise _WrongLineError("there is a quote within its principals")
        if _is_key_type(line):
            raise _WrongLineError("there are no principals in front of its key")
    if not principals or not rest.strip(_BLANKS):
        raise _WrongLineError("there is no key")
    return principals, rest.lstrip(_BLANKS)


def _is_key_type(rest: str) -> bool:
    return _KEY_TYPE.fullmatch(re.split(r"[ \t]", rest, maxsplit=1)[0]) is not None


def _split_options(rest: str) -> tuple[str, str]:
    """Split at the first blank that is not within quotes."""
    is_quoted = False
    at = 0
    while at < len(rest) and (is_quoted or rest[at] not in _BLANKS):
        if rest.startswith('\\"', at):
            at += 1
        elif rest[at] == '"':
            is_quoted = not is_quoted
        at += 1
    if is_quoted:
        raise _WrongLineError("the quotes of one of its options are not closed")
    return rest[:at], rest[at:].lstrip(_BLANKS)


def _parse_options(text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _OPTION.match(text, at)
        if match is None:
            raise _WrongLineError(f"its options cannot be read at {text[at:]!r}")
        name, value = match["name"].lower(), match["value"]
        if name not in {"cert-authority", "namespaces", *_TIMED}:
            raise _WrongLineError(
                f"its option {match['name']!r} is unknown; known are cert-authority, namespaces, {', '.join(_TIMED)}"
            )
        if name in options:
            raise _WrongLineError(f"its option {name} is given twice")
        if (value is None) != (name == "cert-authority"):
            raise _WrongLineError(
                f'its option {name} takes a value in quotes: {name}="…"'
                if value is None
                else f"its option {name} takes no value"
            )
        options[name] = (value or "").replace('\\"', '"')
        at = match.end()
        if at < len(text):
            if text[at] != "," or at + 1 == len(text):
                raise _WrongLineError(f"its options cannot be read at {text[at:]!r}")
            at += 1
    return options


def _parse_time(name: str, text: str) -> int:
    """Return a timestamp in seconds since 1970: local time, or UTC with a Z behind it."""
    match = _TIMESTAMP.fullmatch(text)
    wrong = _WrongLineError(
        f"its option {name} is {text!r}, which is no time from 1970 on; "
        "expected YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with Z for UTC"
    )
    if match is None:
        raise wrong
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        # As ssh-keygen has it, a local time is never daylight saving time; that is what the last zero says.
        local = (year, month, day, hour, minute, second, 0, 0, 0)
        seconds = int(moment.timestamp()) if match[7] else int(time.mktime(local))
    except (ValueError, OverflowError):
        raise wrong from None
    if seconds <= 0:
        raise wrong
    return seconds


def _parse_key(kind: str, text: str) -> bytes:
    try:
        blob = b64decode(text, validate=True)
    except ValueError:
        raise _WrongLineError("its key is not base64") from None
    try:
        if WireReader(blob).text() != kind:
            raise _WrongLineError(f"its key is not of the type {kind} that stands before it")
        parse_public_key(blob)
    except UnsupportedKey:
        # The file may serve other purposes as well; a key that no package can be signed with does no harm.
        pass
    except WireError as error:
        raise _WrongLineError(f"its key is damaged: {error}") from None
    return blob


def _show_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
