"""Large values: in parts, their text and their value are the same as in one."""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

from hypothesis import given, strategies as st

from cloacina import Context, canonical_json, large_json
from cloacina.context import decode, encode

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_VALUES = st.recursive(
    _SCALARS,
    lambda inside: st.lists(inside, max_size=5) | st.dictionaries(st.text(), inside, max_size=5) | st.tuples(inside),
    max_leaves=30,
)


@given(value=_VALUES, part=st.integers(1, 3), few=st.integers(0, 4))
def test_a_value_in_parts_has_the_text_and_the_value_that_it_has_as_a_whole(value: Any, part: int, few: int) -> None:
    whole = encode(value)
    with (
        patch.multiple(large_json, PART=part, _FEW=few),
        patch.object(canonical_json, "LARGE_TEXT", 0),
    ):
        assert encode(value) == whole
        decoded = decode(whole)
    assert json.dumps(decoded) == json.dumps(json.loads(whole))


def test_no_part_of_a_large_value_is_large() -> None:
    rows = [{"number": number} for number in range(10 * large_json.PART)]
    for value in (rows, {"data": {"rows": rows}}, {str(number): number for number in range(10 * large_json.PART)}):
        encoded: list[int] = []

        def note(part: Any, encoded: list[int] = encoded) -> str:
            encoded.append(len(part))
            return json.dumps(part)

        large_json.encode_large(value, note)
        assert len(encoded) >= 10
        assert max(encoded) <= large_json.PART


def test_a_context_takes_and_gives_large_values() -> None:
    rows = [{"number": number, "text": "x" * 100} for number in range(20_000)]
    context = Context()
    context["rows"] = rows
    text = context.changes()["rows"]
    assert text is not None
    assert len(text) > large_json.LARGE_TEXT
    assert Context.from_encoded({"rows": text})["rows"] == rows
