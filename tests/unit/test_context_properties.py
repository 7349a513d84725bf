"""Whatever is done to a context, its changes applied to its base are what it ends up with."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, strategies as st

from cloacina import Context
from cloacina.context import decode, encode, encode_mapping, encode_values, is_same_value

KEYS = st.text(max_size=3)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10
)
MAPPINGS = st.dictionaries(KEYS, VALUES, max_size=5)
STEPS = st.lists(
    st.tuples(st.sampled_from(["set", "delete", "read", "append", "setdefault", "same", "pop item"]), KEYS, VALUES)
)


def apply(step: str, key: str, value: Any, target: Any) -> None:
    """Do one thing to a context or to a dict that stands for it."""
    match step:
        case "set":
            target[key] = value
        case "delete":
            target.pop(key, None)
        case "read":
            target.get(key)
        case "append":
            if isinstance(target.get(key), list):
                target[key].append(value)
        case "setdefault":
            target.setdefault(key, value)
        case "same":
            if key in target:
                target[key] = target[key]
        case _:
            for first in list(target)[:1]:
                del target[first]


@given(MAPPINGS, STEPS)
def test_changes_applied_to_the_base_are_the_final_values(
    values: dict[str, Any], steps: list[tuple[str, str, Any]]
) -> None:
    base = encode_values(values)
    context = Context.from_encoded(base)
    model = {key: decode(text) for key, text in base.items()}
    for step, key, value in steps:
        # Each gets its own containers: what the one appends must not show up in the other.
        apply(step, key, decode(encode(value)), context)
        apply(step, key, decode(encode(value)), model)
        assert list(context) == list(model)
        assert len(context) == len(model)
        assert all(key in context for key in model)
        assert (key in context) is (key in model)

    merged = dict(base)
    for key, text in context.seal().items():
        assert base.get(key) != text
        if text is None:
            del merged[key]
        else:
            merged[key] = text
    assert merged == encode_values(model)
    assert encode(context.to_dict()) == encode(model)


@given(VALUES)
def test_a_value_survives_the_round_trip(value: Any) -> None:
    text = encode(value)
    assert encode(decode(text)) == text
    assert text == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def reordered(value: Any) -> Any:
    """Return the same value, the keys of every dict in it the other way around."""
    if isinstance(value, dict):
        items: list[tuple[str, Any]] = list(value.items())[::-1]
        return {key: reordered(item) for key, item in items}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(VALUES, VALUES)
def test_a_value_is_the_same_in_any_order_of_its_keys_and_no_other_value_is(value: Any, other: Any) -> None:
    text = encode(value)
    assert is_same_value(text, encode(reordered(value)))
    same = json.dumps(value, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert is_same_value(text, encode(other)) is same


@given(MAPPINGS)
def test_an_object_is_the_same_text_put_together_from_its_values(values: dict[str, Any]) -> None:
    assert encode_mapping(encode_values(values)) == encode(values)


@given(MAPPINGS)
def test_a_context_that_is_only_read_has_no_changes(values: dict[str, Any]) -> None:
    context = Context(values)
    assert dict(context) == context.to_dict()
    assert context.changes() == {}
