"""What signals and answers carry is what pydantic makes of it, also where pydantic is not asked."""

from __future__ import annotations

import sys

import pytest
from pydantic import TypeAdapter

from cloacina.execution.waiting.payloads import InvalidPayload, schema_of, validated


def test_approval_does_without_pydantic_as_it_would_be_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    booleans = TypeAdapter(bool)
    schema, answers = booleans.json_schema(), [booleans.validate_json(text) for text in ("true", "false")]
    # To import it takes so long that it would block the event loop.
    monkeypatch.setitem(sys.modules, "pydantic", None)
    assert schema_of(bool) == schema
    assert [validated(bool, text) for text in ("true", "false")] == answers == [True, False]


def test_signal_for_a_boolean_is_read_as_pydantic_reads_it() -> None:
    assert validated(bool, '"yes"') is True
    with pytest.raises(InvalidPayload):
        validated(bool, "3")
    with pytest.raises(InvalidPayload):
        validated(bool, None)
