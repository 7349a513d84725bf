"""Why an index could not be reached, in words, with what helps against it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloacina.packaging.locking.report import UvReport

_STATUS: Final = re.compile(r"\b(?P<status>[45]\d\d [A-Z][A-Za-z]+(?: [A-Z][A-Za-z]+)*)")
_FAILED: Final = re.compile(
    r"failed to fetch|error sending request|client error \(|dns error|http status (?:client|server) error"
    r"|could not resolve host|unable to access '|operation timed out|request timeout|connection (?:reset|refused)",
    re.IGNORECASE,
)
# uv goes on without an index that refuses, and fails when a package is on no other one.
_REFUSED: Final = re.compile(
    r"could not be queried due to a lack of valid authentication|returned a 40[37] \w+ error", re.IGNORECASE
)
_NOT_FOUND: Final = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])? was not found in the package registry")
_PACKAGE: Final = re.compile(
    r"(?:`(?P<named>[A-Za-z0-9._-]+)(?:==| @ )|://\S+/(?P<in_address>[A-Za-z0-9._-]+)/?(?=[\s`)]|$))"
)
_CREDENTIALS: Final = (
    "Check the index's address, and give uv the credentials: UV_INDEX_<NAME>_USERNAME and UV_INDEX_<NAME>_PASSWORD, or"
    " `uv auth login`"
)
# The first that fits stands: what was found, and what to do.
_REASONS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), found, advice)
    for pattern, found, advice in (
        (
            r"dns error|failed to lookup|resolve host",
            "its host name cannot be resolved (DNS)",
            "Check the network and the index's address; behind a proxy, set HTTPS_PROXY",
        ),
        (r"connection refused|os error (?:111|61|10061)\b", "it refuses the connection", "Check its address and port"),
        (
            r"certificate|tls|invalidcontenttype|corrupt message|handshake",
            "no trusted TLS connection can be made to it",
            "Check that its address is right in http or https; for a private authority set SSL_CERT_FILE",
        ),
        (r"timed out|timeout", "it did not answer in time", "Try again, or wait longer with UV_HTTP_TIMEOUT (seconds)"),
        (r"\b(?:401|403|407)\b", "it refuses access", _CREDENTIALS),
        (r"\b404\b", "it does not have the file", "Lock again with `cloacina lock --upgrade`"),
        (r"\b(?:429|5\d\d)\b", "it fails", "Try again later"),
    )
)
_OTHERWISE: Final = ("it cannot be reached", "Check the network; behind a proxy, set HTTPS_PROXY")


def is_network_failure(text: str) -> bool:
    """Return whether uv has failed because of an index, or of the way to it."""
    if _REFUSED.search(text):
        return _NOT_FOUND.search(text) is not None
    return _FAILED.search(text) is not None


def explain_network(report: UvReport, raw: UvReport) -> str:
    """Return the message for a failure of the network.

    Args:
        report: What uv has printed, scrubbed.
        raw: The same as it was printed; only the name of the package is taken from it.
    """
    text = report.text
    found, advice = next(((found, advice) for pattern, found, advice in _REASONS if pattern.search(text)), _OTHERWISE)
    status = _STATUS.search(text)
    name = _package(raw.text)
    asked = "" if name is None else f", asked for {name},"
    answered = f" ({status['status']})" if status is not None else ""
    return f"The index{asked} cannot be used: {found}{answered}. {advice}"


def _package(text: str) -> str | None:
    """Return the name of the package that uv has asked the index for, if it says so."""
    if missing := _NOT_FOUND.search(text):
        return missing["name"]
    asked = _PACKAGE.search(text)
    return None if asked is None else asked["named"] or asked["in_address"]
